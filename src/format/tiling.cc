#include "format/tiling.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "nwcodec/limits.h"

namespace nwc {

Tiling::Tiling(uint64_t matrices, uint64_t rows, uint64_t columns, unsigned chunk_length, uint32_t tile_chunks,
               std::span<const uint8_t> levels)
    : tile_chunks_(tile_chunks) {
  if (matrices == 0 || rows == 0 || columns == 0) return;
  stripes_ = (rows + chunk_length - 1) / chunk_length;
  for (uint64_t matrix = 0; matrix < matrices; ++matrix) {
    std::vector<uint32_t> of_level[limits::kMaxLevels];
    if (levels.empty()) {
      of_level[0].resize(columns);  // no more memory than the columns take
      std::iota(of_level[0].begin(), of_level[0].end(), uint32_t{0});
    }
    for (uint64_t c = 0; c < columns && !levels.empty(); ++c)
      of_level[levels[matrix * columns + c]].push_back(static_cast<uint32_t>(c));
    for (unsigned level = 0; level < limits::kMaxLevels; ++level) {
      if (of_level[level].empty()) continue;
      const uint64_t chunks = stripes_ * of_level[level].size();
      groups_.push_back({matrix, level, std::move(of_level[level]), chunks, tile_count_});
      tile_count_ += (chunks + tile_chunks_ - 1) / tile_chunks_;
    }
  }
}

TileSpan Tiling::tile(uint64_t number) const {
  const auto after = std::upper_bound(groups_.begin(), groups_.end(), number,
                                      [](uint64_t n, const LevelGroup& group) { return n < group.first_tile; });
  const LevelGroup& group = *std::prev(after);
  const uint64_t first = (number - group.first_tile) * tile_chunks_;
  return {static_cast<uint32_t>(&group - groups_.data()), first,
          static_cast<uint32_t>(std::min<uint64_t>(tile_chunks_, group.chunks - first))};
}

unsigned packed_level_bits(unsigned levels) { return levels <= 2 ? 1 : levels <= 4 ? 2 : 4; }

uint64_t packed_level_bytes(uint64_t columns, unsigned levels) { return (columns * packed_level_bits(levels) + 7) / 8; }

std::vector<std::byte> pack_levels(std::span<const uint8_t> values, unsigned levels) {
  const unsigned bits = packed_level_bits(levels);
  std::vector<std::byte> packed(packed_level_bytes(values.size(), levels));
  for (size_t i = 0; i < values.size(); ++i)
    packed[i * bits / 8] |= static_cast<std::byte>(values[i] << (i * bits % 8));
  return packed;
}

Result<std::vector<uint8_t>> unpack_levels(std::span<const std::byte> packed, uint64_t columns, unsigned levels) {
  const unsigned bits = packed_level_bits(levels);
  if (columns > packed.size() * 8 || packed.size() != packed_level_bytes(columns, levels)) {
    return Error(ErrorCode::kCorrupt, "importance levels take " + std::to_string(packed.size()) +
                                          " bytes, which does not fit " + std::to_string(columns) + " columns");
  }
  std::vector<uint8_t> values(columns);
  for (uint64_t i = 0; i < columns; ++i) {
    values[i] =
        static_cast<uint8_t>(static_cast<unsigned>(packed[i * bits / 8]) >> (i * bits % 8) & ((1u << bits) - 1));
    if (values[i] >= levels) {
      return Error(ErrorCode::kCorrupt, "column " + std::to_string(i) + " has level " + std::to_string(values[i]) +
                                            ", the codec has " + std::to_string(levels));
    }
  }
  if (pack_levels(values, levels) != std::vector<std::byte>(packed.begin(), packed.end())) {
    return Error(ErrorCode::kCorrupt, "bits are set behind the last importance level");
  }
  return values;
}

}  // namespace nwc
