// The golden checkpoints of tests/data/golden, made from nothing but arithmetic and the trained codecs that lie beside
// them: the same bytes on every machine and with every version of the library that writes their format version.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace nwc::testing {

// What a golden holds, so that a test can insist that it exercises what it is there for.
struct GoldenSummary {
  std::string name;                     // of its directory
  uint64_t compressed = 0, plain = 0;   // tensors
  uint64_t tiles = 0, short_tiles = 0;  // short: last ones of fewer chunks than the others
  uint64_t escapes = 0, patches = 0;
  uint64_t with_levels = 0, with_own_tables = 0, transposed = 0, batches = 0, empty = 0;  // compressed tensors
  uint64_t shifted_own_tables = 0, with_lines = 0;
};

// Writes one directory for each golden below `output`. `codecs` holds the trained codecs. Throws std::runtime_error.
std::vector<GoldenSummary> make_goldens(const std::filesystem::path& codecs, const std::filesystem::path& output);

}  // namespace nwc::testing
