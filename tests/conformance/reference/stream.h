// docs/format.md, sections 4 and 7: the stream of a tensor, apart from what its tiles hold.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/reference/codec.h"

namespace nwc::reference {

constexpr unsigned kVersion = 1;

struct Stream {
  uint64_t tensor_id = 0, matrices = 0, rows = 0, columns = 0, T = 0, R = 0;
  int scale_exponent = 0;
  std::string dtype;
  uint64_t dimensions = 0;
  bool transposed = false, has_levels = false, one_scale = false, row_factors = false;
  std::vector<std::vector<Table>> tables;  // [K][C], own ones where there are any
  std::vector<std::string> tiles;
};

// `levels` is null where the tensor has none.
Stream parse_stream(const Codec& codec, const std::string& name, const std::string& bytes, const std::string& scales,
                    const std::string* levels);

}  // namespace nwc::reference
