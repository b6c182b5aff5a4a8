// The layout of a matrix that stays in a device's memory, made for products: integers of a codec with a trellis, two
// weights by one look-up. Plain C++17, shared by nvcc and the host compiler.
//
// A *cell* is 64 rows (a path of the trellis) by a *window* of 64 columns. A lane of a warp has two of its columns,
// whose classes are neighbours when the window's columns are sorted by class, and goes down the rows. The bits of a
// cell are those of its lanes, one lane after another; of each row a pair's code, which names both magnitudes
// (pair_code.h) and says its lowest bit first, then the signs, that of the first weight first. A pair without a code
// has another of the same branches in its place, and corrections beside the bits. A warp works on a *run*, some cells
// of one stripe of 64 rows.
#pragma once

#include <cstdint>

namespace nwc::cuda {

inline constexpr uint32_t kPairIndexBits = 10, kPairTable = 1u << kPairIndexBits;
inline constexpr uint32_t kMostMagnitude = 31;
static_assert((kMostMagnitude + 1) * (kMostMagnitude + 1) == kPairTable);
inline constexpr uint32_t kPairClasses = 12;  // of half an octave; what a multiprocessor has at hand
inline constexpr uint32_t kCellRows = 64, kWindow = 64;
inline constexpr uint32_t kMostPairBits = kPairIndexBits + 2;

// Of a pair's unions, classes and codes. Entries to decode with: 32 less the bits of code and signs; magnitude of the
// first << 5, of the second << 10; whether the first alone has a sign << 15. To encode with: code, its length <<
// kPairIndexBits; 0: none.
struct PairTables {
  uint16_t of[2][kPairClasses][2][kPairTable];  // [union of the first][class][union of the second]
};

// Where a weight is another than its cell says.
struct Correction {
  uint32_t column;
  uint32_t row;  // of the stripe
  float value;   // the integer
  float more;    // it less what the cell says
};
struct MatrixCell {
  uint32_t first_quad;  // its first word / 4
  uint32_t first_correction;
  uint16_t words, corrections;
  uint16_t least;    // bits of each lane at least,
  uint8_t more[32];  // and how many more
};

// Device pointers, but for the numbers.
struct PairedMatrix {
  const uint32_t* words;
  const MatrixCell* cells;  // [stripes][windows]
  const Correction* corrections;
  const PairTables* tables;
  const uint16_t* pairs;           // [columns / 2]: of a lane, the first column of its window, and << 8 the second
  const uint32_t* column_classes;  // [columns]; the sum of a column's and a row's is that of their tables, << 12
  const uint32_t* row_classes;     // [stripes * 64]; 0 beyond the matrix
  const float* scales;             // [columns]
  const float* factors;            // [stripes * 64]; 0 beyond the matrix
  float scale_up, scale_down;      // powers of two; vectors are multiplied by scales times the first
  uint32_t rows, columns, stripes, windows;
  uint32_t run_cells;  // of a run; the stripe's last may have fewer
  uint32_t runs_of_stripe;
  uint32_t block_runs;  // runs that a thread block works on, at most kMostRunWarps
  uint32_t cell_words;  // at most, a multiple of 4
  // Multipliers that shift, and a mask, see pair_reader.cuh.
  uint32_t down_10 = 1u << 22, down_15 = 1u << 17, less_1_and_top = 0u - (1u << 17);
  uint32_t magnitudes = kMostMagnitude << 5 | kMostMagnitude << 21;
};

}  // namespace nwc::cuda
