#include "tensor/retiling.h"

#include <algorithm>

#include "base/parallel.h"
#include "decode/tile_integers.h"
#include "entropy/encode/tile_encoder.h"
#include "format/tiling.h"
#include "tensor/encode_options.h"

namespace nwc {
namespace {

struct GroupPatch {
  uint64_t position;  // as in Patch, but in the group
  float value;
};

// A group's symbols, whatever its tiles.
struct GroupSymbols {
  std::vector<int32_t> values;      // [latents][chunks]
  std::vector<GroupPatch> patches;  // in ascending order of position
};

// The importance level of each column, of all matrices; nothing if all are 0.
std::vector<uint8_t> levels_of(const TensorDecoder& decoder) {
  const StreamHeader& h = decoder.header();
  if (!h.has_levels) return {};
  std::vector<uint8_t> levels(h.matrices * h.columns);
  for (const LevelGroup& group : decoder.tiling().groups()) {
    for (const uint32_t column : group.columns)
      levels[group.matrix * h.columns + column] = static_cast<uint8_t>(group.level);
  }
  return levels;
}

Result<std::vector<GroupSymbols>> read_groups(const TensorDecoder& decoder, int threads) {
  const std::vector<LevelGroup>& groups = decoder.tiling().groups();
  const unsigned latents = decoder.codec().parts().latents(), length = decoder.codec().parts().chunk_length();
  std::vector<GroupSymbols> symbols(groups.size());
  for (size_t g = 0; g < groups.size(); ++g) symbols[g].values.resize(latents * groups[g].chunks);
  std::vector<std::vector<GroupPatch>> patches(decoder.tiling().tile_count());  // of each tile
  std::vector<TileIntegers> tiles(static_cast<size_t>(threads));
  NWC_RETURN_IF_ERROR(parallel_for(decoder.tiling().tile_count(), threads, [&](size_t number, int worker) -> Status {
    TileIntegers& tile = tiles[static_cast<size_t>(worker)];
    NWC_RETURN_IF_ERROR(read_tile_integers(decoder, number, tile));
    const TileSpan span = decoder.tiling().tile(number);
    const LevelGroup& group = groups[span.group];
    GroupSymbols& to = symbols[span.group];
    for (unsigned c = 0; c < latents; ++c) {
      const int32_t* const from = tile.values.data() + c * tile.stride;
      std::copy_n(from, span.chunks, to.values.begin() + static_cast<ptrdiff_t>(c * group.chunks + span.first_chunk));
    }
    for (const Patch& patch : tile.patches)
      patches[number].push_back({span.first_chunk * length + patch.position, patch.value});
    return {};
  }));
  for (uint64_t number = 0; number < patches.size(); ++number) {
    std::vector<GroupPatch>& of_group = symbols[decoder.tiling().tile(number).group].patches;
    of_group.insert(of_group.end(), patches[number].begin(), patches[number].end());
  }
  return symbols;
}

}  // namespace

Status check_layout(const TileLayout& layout) {
  EncodeOptions options;
  if (layout.tile_chunks != 0) options.tile_chunks = layout.tile_chunks;
  if (layout.run_groups != 0) options.run_groups = layout.run_groups;
  return check_options(options);
}

Result<std::vector<std::byte>> retile(const TensorDecoder& decoder, const TileLayout& layout, int threads) {
  NWC_RETURN_IF_ERROR(check_layout(layout));
  threads = resolve_threads(threads);
  StreamHeader header = decoder.header();
  if (layout.tile_chunks != 0) header.tile_chunks = layout.tile_chunks;
  if (layout.run_groups != 0 && !traits_of(header.context_rule).trellis) header.run_groups = layout.run_groups;
  const unsigned latents = decoder.codec().parts().latents(), length = decoder.codec().parts().chunk_length();
  const Tiling tiling(header.matrices, header.rows, header.columns, length, header.tile_chunks, levels_of(decoder));
  NWC_ASSIGN_OR_RETURN(const std::vector<GroupSymbols> symbols, read_groups(decoder, threads));

  const CodingTables tables(decoder.table_set());
  std::vector<std::vector<std::byte>> tiles(tiling.tile_count());
  std::vector<TileIndexEntry> index(tiles.size());
  NWC_RETURN_IF_ERROR(parallel_for(tiles.size(), threads, [&](size_t number, int) -> Status {
    const TileSpan span = tiling.tile(number);
    const LevelGroup& group = tiling.groups()[span.group];
    const GroupSymbols& from = symbols[span.group];
    const size_t stride = (size_t{span.chunks} + limits::kLanes - 1) / limits::kLanes * limits::kLanes;
    std::vector<int32_t> values(latents * stride);
    for (unsigned c = 0; c < latents; ++c) {
      const auto row = from.values.begin() + static_cast<ptrdiff_t>(c * group.chunks + span.first_chunk);
      std::copy_n(row, span.chunks, values.begin() + static_cast<ptrdiff_t>(c * stride));
    }
    std::vector<Patch> patches;
    const uint64_t begin = span.first_chunk * length, end = begin + uint64_t{span.chunks} * length;
    const auto before = [](const GroupPatch& patch, uint64_t position) { return patch.position < position; };
    auto at = std::lower_bound(from.patches.begin(), from.patches.end(), begin, before);
    for (; at != from.patches.end() && at->position < end; ++at)
      patches.push_back({static_cast<uint32_t>(at->position - begin), at->value});
    std::vector<Context> storage;
    const TileShape shape{latents, span.chunks, header.run_groups, length};
    tiles[number] =
        encode_tile(tables, decoder.contexts().of_tile(group, span, storage), shape, values.data(), stride, patches);
    index[number] = {static_cast<uint32_t>(tiles[number].size()),
                     tile_checksum(tiles[number], header.tensor_id, number)};
    return {};
  }));
  std::vector<std::byte> stream = serialise_stream_head(header, decoder.parsed().section, index);
  for (const std::vector<std::byte>& tile : tiles) stream.insert(stream.end(), tile.begin(), tile.end());
  return stream;
}

}  // namespace nwc
