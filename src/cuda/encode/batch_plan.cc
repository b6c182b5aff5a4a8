#include "cuda/encode/batch_plan.h"

#include <algorithm>
#include <cstddef>

namespace nwc::cuda {
namespace {

constexpr uint64_t kBatchChunks = uint64_t{1} << 19;  // without feedback: five buffers of 32 MB
constexpr uint32_t kMostBatchColumns = 32768;         // a dimension of a grid ends at 65535
constexpr uint32_t kComponents = 16, kBlock = 32;     // chunks of a block

uint64_t columns_together(uint64_t columns, uint32_t slots, uint32_t block_size) {
  const uint64_t many = std::clamp<uint64_t>(kBatchChunks / std::max(1u, slots), 1, kMostBatchColumns);
  return std::min<uint64_t>(std::max<uint64_t>(1, columns), block_size > 0 ? block_size : many);
}

uint32_t padded(uint32_t chunks) { return (chunks + kBlock - 1) / kBlock * kBlock; }

}  // namespace

size_t batch_buffer_floats(uint64_t columns, uint32_t slots, uint32_t block_size, unsigned level_count) {
  return size_t{kComponents} * (columns_together(columns, slots, block_size) * slots + size_t{kBlock} * level_count);
}

BatchPlan plan_batches(uint64_t columns, uint32_t slots, uint32_t block_size, std::span<const uint32_t> order,
                       std::span<const uint8_t> levels, unsigned level_count, float* latents, float* decoded) {
  BatchPlan plan;
  plan.buffer_floats = batch_buffer_floats(columns, slots, block_size, level_count);
  const uint64_t together = columns_together(columns, slots, block_size);
  plan.most_columns = static_cast<uint32_t>(together);
  const std::vector<float> ones(together * slots, 1.0f);  // the networks' outputs stay normalised
  const size_t ones_at = plan.blob.append(ones);
  for (uint64_t number = (columns + together - 1) / together; number-- > 0;) {
    PlannedBatch batch{.begin = static_cast<uint32_t>(number * together),
                       .end = static_cast<uint32_t>(std::min(columns, (number + 1) * together))};
    std::vector<uint64_t> at(batch.end - batch.begin);
    std::vector<uint32_t> stride(at.size());
    std::vector<Tile> tiles;
    std::vector<WideItem> items;
    std::vector<uint32_t> block_tiles;
    uint64_t next = 0;
    std::vector<Group> groups;
    for (unsigned level = 0; level < level_count; ++level) {
      std::vector<uint32_t> places;
      for (uint32_t p = batch.begin; p < batch.end; ++p) {
        const uint32_t column = order.empty() ? p : order[p];
        if ((levels.empty() ? 0u : levels[column]) == level) places.push_back(p - batch.begin);
      }
      if (places.empty()) continue;
      const uint32_t chunks = static_cast<uint32_t>(places.size()) * slots,
                     number_of_tile = static_cast<uint32_t>(tiles.size());
      for (uint32_t i = 0; i < places.size(); ++i) {
        at[places[i]] = next + uint64_t{i} * slots;
        stride[places[i]] = padded(chunks);
      }
      tiles.push_back({.bytes = nullptr,
                       .size = 0,
                       .chunks = chunks,
                       .first_stripe = 0,
                       .first_place = 0,
                       .group = number_of_tile,
                       .small_entropy = 0,
                       .latents_at = next,
                       .first_block = static_cast<uint32_t>(block_tiles.size())});
      groups.push_back({.columns = nullptr,
                        .scales = nullptr,
                        .factors = nullptr,
                        .channels = nullptr,
                        .out = nullptr,
                        .row_step = padded(chunks),
                        .column_step = 1,
                        .row_begin = 0,
                        .row_end = kComponents,
                        .column_begin = 0,
                        .column_end = chunks,
                        .count = chunks,
                        .level = level,
                        .dtype = kF32,
                        .run_groups = 1});
      for (uint32_t first = 0; first < chunks; first += kWideChunks) items.push_back({number_of_tile, first});
      block_tiles.insert(block_tiles.end(), padded(chunks) / kBlock, number_of_tile);
      next += uint64_t{kComponents} * padded(chunks);
    }
    batch.at = plan.blob.append(at);
    batch.stride = plan.blob.append(stride);
    batch.tiles = plan.blob.append(tiles);
    batch.items = plan.blob.append(items);
    batch.block_tiles = plan.blob.append(block_tiles);
    batch.tile_count = static_cast<uint32_t>(tiles.size());
    batch.item_count = static_cast<uint32_t>(items.size());
    batch.block_count = static_cast<uint32_t>(block_tiles.size());
    const auto append_groups = [&](float* out) {
      for (size_t t = 0; t < groups.size(); ++t) groups[t].out = out + tiles[t].latents_at;
      const size_t groups_at = plan.blob.append(groups);
      for (size_t t = 0; t < groups.size(); ++t)
        plan.blob.point(groups_at + t * sizeof(Group) + offsetof(Group, scales), ones_at);
      return groups_at;
    };
    batch.analysis_groups = append_groups(latents);
    batch.synthesis_groups = append_groups(decoded);
    plan.most_tiles = std::max(plan.most_tiles, batch.tile_count);
    plan.most_blocks = std::max(plan.most_blocks, batch.block_count);
    plan.batches.push_back(batch);
  }
  return plan;
}

}  // namespace nwc::cuda
