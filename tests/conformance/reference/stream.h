// docs/format.md, sections 4 and 7: the stream of a tensor, apart from what its tiles hold.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/reference/codec.h"

namespace nwc::reference {

constexpr unsigned kVersion = 5;

// Line scales: of all matrices, one after another.
struct Lines {
  std::vector<int64_t> column_steps, row_steps, column_spreads, row_spreads;
  std::vector<int64_t> column_corrections, row_corrections;  // empty if p = 0
};
// base * 2^(number / parts).
float line_scale(float base, int64_t number, int64_t parts);

struct Stream {
  uint64_t tensor_id = 0, matrices = 0, rows = 0, columns = 0, T = 0, R = 0;
  int scale_exponent = 0;
  std::string dtype;
  uint64_t dimensions = 0;
  bool transposed = false, has_levels = false, one_scale = false, row_factors = false;
  std::vector<std::vector<Table>> tables;  // [K][C], own ones where there are any
  bool has_lines = false;                  // table rules 1 and 2
  bool has_trellis = false;                // table rule 2
  uint64_t p = 0;                          // fineness of corrections
  bool is_difference = false;
  uint64_t base = 0;      // of a difference
  uint64_t identity = 0;  // section 9
  Lines lines;

  // Of latent c of the chunk that begins at `row` of a column, which has this level; t is the state of its trellis, or
  // 0.
  const Table& table(uint64_t matrix, uint64_t level, uint64_t column, uint64_t row, uint64_t c, uint64_t t) const;
  std::vector<std::string> tiles;
};

// `levels` is null where the tensor has none.
Stream parse_stream(const Codec& codec, const std::string& name, const std::string& bytes, const std::string& scales,
                    const std::string* levels);

}  // namespace nwc::reference
