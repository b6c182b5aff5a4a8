// Line scales (docs/format.md, section 7): what a stream with table rule 1 or 2 says about its lines, which are the
// columns and the rows of its matrices: the step that weights are multiples of, and how far they spread, which names
// their frequency tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "entropy/tile_decoder.h"
#include "format/stream_header.h"
#include "nwcodec/result.h"

namespace nwc {

// A weight of column j and row i is a multiple of base * 2^(column_steps[j] / 8) * 2^(row_steps[i] / 8). Columns of all
// matrices, [matrices * columns], and rows, [matrices * rows]; every number within kLargestLineNumber of 0.
struct LineScales {
  std::vector<int16_t> column_steps, row_steps;      // eighths of an octave
  std::vector<int16_t> column_spreads, row_spreads;  // quarter octaves
  // Where steps are not fine enough: added to them, in units of 2^-correction_bits of a step; empty for 0 bits. They
  // change no class.
  std::vector<int16_t> column_corrections, row_corrections;
  uint8_t correction_bits = 0;

  // The four sequences, or six, in the order of the format.
  std::vector<std::span<const int16_t>> sequences() const {
    std::vector<std::span<const int16_t>> all{column_steps, row_steps, column_spreads, row_spreads};
    if (correction_bits > 0) all.insert(all.end(), {column_corrections, row_corrections});
    return all;
  }
  // The scale of a column whose base is the one column scale, and the factor of a row. Corrections apply.
  float column_scale(float base, size_t column) const;
  float row_factor(size_t row) const;
};

inline constexpr int kLargestLineNumber = 4095;
inline constexpr int kStepsPerOctave = 8, kSpreadsPerOctave = 4;
// Numbers are coded in tiles of one channel of so many.
inline constexpr uint32_t kLineTile = 16384;
// In front of the tiles, for each sequence: i16 the number that symbols are relative to, u16 the table of the codec.
inline constexpr size_t kLineHead = 4;

// base * 2^((step + correction * 2^-correction_bits) / 8): the product in binary64, then rounded to binary32.
float line_scale(float base, int step, int correction = 0, unsigned correction_bits = 0);
// The class of a line: its spread in quarter octaves, its step taken off.
inline int line_class(int spread, int step) { return spread - (step >> 1); }

// Reads them off the front of `section`, the stream's bytes between header and tile index. `tables`: the codec's.
// Errors: kCorrupt; nothing is allocated that the section's bytes cannot hold.
Result<LineScales> read_line_scales(std::span<const std::byte>& section, const StreamHeader& header,
                                    const DecodingTables& tables);

}  // namespace nwc
