#include "cuda/decode/batch_planner.h"

#include <algorithm>
#include <optional>

#include "base/parallel.h"
#include "cuda/decode/codec_image.h"
#include "cuda/decode/kernels.h"

namespace nwc::cuda {
namespace {

// A number of bytes is a sum over tensors of one machine's memory, so that size_t holds it.
size_t aligned(size_t size) { return (size + Blob::kAlignment - 1) / Blob::kAlignment * Blob::kAlignment; }

uint32_t device_dtype(DType dtype) { return dtype == DType::kF32 ? kF32 : dtype == DType::kF16 ? kF16 : kBF16; }

}  // namespace

Status BatchPlanner::add(const CudaTensor& tensor, uint32_t number) {
  if (!is_weight_dtype(tensor.dtype))
    return Error(ErrorCode::kInvalidArgument,
                 "weights decode to F32, F16 or BF16, not " + std::string(name_of(tensor.dtype)));
  NWC_ASSIGN_OR_RETURN(const TensorDecoder stream,
                       TensorDecoder::open(tensor.name, tensor.stream, tensor.scales, tensor.levels, *decoder_.codec));
  const StreamHeader& h = stream.header();
  if (!stream.contexts().shared() && stream.contexts().scale_classes() == nullptr) {
    return Error(ErrorCode::kUnsupported,
                 "GPUs do not decode table rule " + std::to_string(static_cast<unsigned>(h.context_rule)))
        .remedy("decode it on the cores");
  }
  std::vector<Slice> slices;
  if (tensor.slice) {
    const CudaSlice& s = *tensor.slice;
    slices.push_back({s.matrix, s.row_begin, s.row_end, s.column_begin, s.column_end});
    if (s.matrix >= h.matrices || s.row_begin > s.row_end || s.row_end > h.rows || s.column_begin > s.column_end ||
        s.column_end > h.columns) {
      return Error(ErrorCode::kInvalidArgument, "slice lies outside the tensor");
    }
  } else {
    for (uint64_t m = 0; m < h.matrices && h.elements() > 0; ++m) slices.push_back({m, 0, h.rows, 0, h.columns});
  }
  product_rows_ = product_columns_ = 0;
  if (number == 0 && !tensor.slice && h.matrices == 1 && !h.transposed && !h.has_levels &&
      h.context_rule == ContextRule::kLevelChannel && h.columns % 32 == 0 && h.rows < UINT32_MAX &&
      h.columns < UINT32_MAX) {
    product_rows_ = static_cast<uint32_t>(h.rows);
    product_columns_ = static_cast<uint32_t>(h.columns);
  }
  scales_at_ = blob_.append(stream.scales());
  factors_at_ = blob_.append(stream.row_factors());
  if (const ScaleClasses* const classes = stream.contexts().scale_classes()) {
    column_classes_at_ = blob_.append(classes->of_columns());
    row_classes_at_ = blob_.append(classes->of_rows());
  }
  if (const Trellis* const trellis = stream.contexts().trellis()) trellis_at_ = blob_.append(trellis->table());
  images_.clear();
  uint64_t elements = 0;
  for (const Slice& slice : slices) {
    const uint64_t size = (slice.row_end - slice.row_begin) * (slice.column_end - slice.column_begin);
    for (const LevelGroup& group : stream.tiling().groups()) {
      if (group.matrix == slice.matrix && size > 0)
        NWC_RETURN_IF_ERROR(add_group(tensor, number, stream, slice, group, elements));
    }
    elements += size;
  }
  return {};
}

void BatchPlanner::finish(CudaBatch::State& state) {
  // Tiles of one level and one set of tables together, so that tables are seldom loaded.
  std::stable_sort(small_.begin(), small_.end(), [](const Planned& a, const Planned& b) { return a.image < b.image; });
  std::stable_sort(any_.begin(), any_.end(),
                   [](const Planned& a, const Planned& b) { return a.wide != b.wide ? a.wide : a.image < b.image; });
  state.groups_at = blob_.append(groups_);
  for (const auto& [field, target] : group_pointers_) blob_.point(state.groups_at + field, target);
  std::vector<uint32_t> block_tiles;
  std::vector<WideItem> items;
  uint64_t latents = 0;
  for (std::vector<Planned>* tiles : {&small_, &any_}) {
    uint64_t blocks = 0;
    for (Planned& planned : *tiles) {
      const uint32_t here = (planned.tile.chunks + 31) / 32;
      planned.tile.first_block = static_cast<uint32_t>(blocks);
      blocks += here;
      if (tiles == &small_) continue;
      planned.tile.latents_at = latents;
      if (decoder_.plain_words == nullptr) latents += uint64_t{here} * 32 * decoder_.codec->parts().latents();
      const uint32_t number = static_cast<uint32_t>(&planned - tiles->data());
      block_tiles.insert(block_tiles.end(), here, number);
      if (!planned.wide) continue;
      state.wide_blocks = static_cast<uint32_t>(blocks);
      for (uint32_t first = 0; first < planned.tile.chunks; first += kWideChunks) items.push_back({number, first});
    }
    std::vector<Tile> bare;
    for (const Planned& planned : *tiles) {
      bare.push_back(planned.tile);
      state.sources.push_back(planned.source);
    }
    (tiles == &small_ ? state.small_tiles_at : state.tiles_at) = blob_.append(bare);
    (tiles == &small_ ? state.small_tiles : state.tiles) = static_cast<uint32_t>(bare.size());
    (tiles == &small_ ? state.small_blocks : state.blocks) = static_cast<uint32_t>(blocks);
  }
  state.block_tiles_at = blob_.append(block_tiles);
  state.items_at = blob_.append(items);
  state.items = static_cast<uint32_t>(items.size());
  choose_window(state);
  append_segments(small_, state.segments_at, state.segments);
  append_segments(any_, state.entropy_segments_at, state.entropy_segments);
  state.product_rows = product_rows_;
  state.product_columns = product_columns_;
  state.blob = std::move(blob_);
  state.latents_at = aligned(state.blob.size());
  state.states_at = aligned(state.latents_at + latents * sizeof(float));
  state.repairs_at = aligned(state.states_at + state.tiles * sizeof(TileState));
  state.scratch_bytes = aligned(state.repairs_at + state.blocks * sizeof(uint32_t));
}

void BatchPlanner::count_classes(const TensorDecoder& stream, uint64_t matrix) {
  const ScaleClasses& classes = *stream.contexts().scale_classes();
  const auto all = static_cast<int>(decoder_.plain.lengths.size());
  weights_of_class_.resize(decoder_.plain.lengths.size());
  std::map<int, uint64_t> columns, rows;
  const uint64_t n = stream.header().columns, m = stream.header().rows;
  for (const int16_t c : classes.of_columns().subspan(matrix * n, n)) ++columns[c];
  for (const int16_t r : classes.of_rows().subspan(matrix * m, m)) ++rows[r];
  for (const auto& [c, of_column] : columns) {
    for (const auto& [r, of_row] : rows)
      weights_of_class_[static_cast<size_t>(std::clamp(c + r, 0, all - 1))] += of_column * of_row;
  }
}

void BatchPlanner::choose_window(CudaBatch::State& state) {
  const PlainTables& tables = decoder_.plain;
  const auto all = static_cast<uint32_t>(weights_of_class_.size());
  const uint32_t room = plain_room(decoder_.shared_room);
  uint64_t most = 0, weights = 0;
  // Classes [first, end), the longest that end there.
  for (uint32_t first = 0, end = 0; end < all;) {
    weights += weights_of_class_[end];
    if (tables.lengths[end++] == 0) first = end, weights = 0;
    for (; tables.begins[end] - tables.begins[first] > room || end - first > kPlainNear; ++first)
      weights -= weights_of_class_[first];
    if (weights <= most) continue;
    most = weights;
    state.near_first = first;
    state.near_count = end - first;
  }
  while (state.near_count > 0 && weights_of_class_[state.near_first] == 0) ++state.near_first, --state.near_count;
  std::vector<uint32_t> places;
  for (uint32_t c = state.near_first; c < state.near_first + state.near_count; ++c) {
    const uint32_t even = tables.begins[c] - tables.begins[state.near_first];
    places.push_back(even | (even + tables.lengths[c]) << 16);
  }
  state.near_places_at = blob_.append(places);
}

void BatchPlanner::append_segments(const std::vector<Planned>& tiles, size_t& at, uint32_t& count) {
  std::vector<Segment> segments;
  std::vector<size_t> images;
  for (uint32_t t = 0; t < tiles.size(); ++t) {
    if (&tiles == &any_ && tiles[t].tile.small_entropy == 0) continue;
    const LevelImages& image = all_images_[tiles[t].image];
    if (segments.empty() || images.back() != tiles[t].image || segments.back().end != t) {
      segments.push_back({t, t, image.tables, image.network});
      images.push_back(tiles[t].image);
    }
    segments.back().end = t + 1;
  }
  at = blob_.append(segments);
  count = static_cast<uint32_t>(segments.size());
  for (size_t s = 0; s < segments.size(); ++s) {
    const LevelImages& image = all_images_[images[s]];
    if (image.own) blob_.point(at + s * sizeof(Segment) + offsetof(Segment, tables), image.tables_at);
  }
}

size_t BatchPlanner::images_of(const TensorDecoder& stream, unsigned level) {
  // Under table rules 1 and 2 a level has the tables of all.
  const bool by_classes = stream.contexts().scale_classes() != nullptr;
  const unsigned key = by_classes ? limits::kMaxLevels + level : level;
  if (const auto found = images_.find(key); found != images_.end()) return found->second;
  if (!stream.has_own_tables()) {
    if (const auto found = codec_images_.find(key); found != codec_images_.end()) return found->second;
  }
  LevelImages image;
  image.network = decoder_.small_networks[level];
  if (stream.has_own_tables()) {
    const std::vector<float>& centers = decoder_.codec->parts().tables.centers;
    const unsigned latents = decoder_.codec->parts().latents();
    image.own = true;
    image.channels_at = by_classes ? append_channels(blob_, stream.tables(), 0, stream.tables().size(), centers)
                                   : append_channels(blob_, stream.tables(), size_t{level} * latents, latents, centers);
    const std::optional<SmallTables> tables =
        by_classes ? std::nullopt : small_tables(stream.tables(), level, latents, centers);
    image.small_entropy = tables.has_value() && decoder_.fused;
    if (tables) image.tables_at = blob_.append(std::span(&*tables, 1));
  } else {
    image.channels = decoder_.channels[by_classes ? 0 : level];
    image.tables = by_classes ? nullptr : decoder_.small_tables[level];
    image.small_entropy = image.tables != nullptr;
    codec_images_[key] = all_images_.size();
  }
  images_[key] = all_images_.size();
  all_images_.push_back(image);
  return all_images_.size() - 1;
}

Status BatchPlanner::add_group(const CudaTensor& tensor, uint32_t number, const TensorDecoder& stream,
                               const Slice& slice, const LevelGroup& group, uint64_t elements) {
  const StreamHeader& h = stream.header();
  if (decoder_.plain_words != nullptr) count_classes(stream, slice.matrix);
  const size_t image_number = images_of(stream, group.level);
  const LevelImages image = all_images_[image_number];
  const uint64_t out_rows = slice.row_end - slice.row_begin, out_columns = slice.column_end - slice.column_begin;
  const size_t field = groups_.size() * sizeof(Group);
  groups_.push_back({.columns = nullptr,
                     .scales = nullptr,
                     .factors = nullptr,
                     .channels = image.channels,
                     .column_classes = nullptr,
                     .row_classes = nullptr,
                     .rows = h.rows,
                     .tables = static_cast<uint32_t>(stream.contexts().trellis() != nullptr ? stream.contexts().odd()
                                                                                            : stream.tables().size()),
                     .trellis = nullptr,
                     .out = static_cast<std::byte*>(tensor.out) + elements * (bits_of(tensor.dtype) / 8),
                     .row_step = h.transposed ? 1 : static_cast<int64_t>(out_columns),
                     .column_step = h.transposed ? static_cast<int64_t>(out_rows) : 1,
                     .row_begin = slice.row_begin,
                     .row_end = slice.row_end,
                     .column_begin = slice.column_begin,
                     .column_end = slice.column_end,
                     .count = static_cast<uint32_t>(group.columns.size()),
                     .level = group.level,
                     .dtype = device_dtype(tensor.dtype),
                     .run_groups = h.run_groups});
  if (group.columns.size() != h.columns)
    group_pointers_.push_back({field + offsetof(Group, columns), blob_.append(group.columns)});
  group_pointers_.push_back({field + offsetof(Group, scales), scales_at_ + slice.matrix * h.columns * sizeof(float)});
  if (!stream.row_factors().empty())
    group_pointers_.push_back({field + offsetof(Group, factors), factors_at_ + slice.matrix * h.rows * sizeof(float)});
  if (stream.contexts().trellis() != nullptr)
    group_pointers_.push_back({field + offsetof(Group, trellis), trellis_at_});
  if (stream.contexts().scale_classes() != nullptr) {
    group_pointers_.push_back(
        {field + offsetof(Group, column_classes), column_classes_at_ + slice.matrix * h.columns * sizeof(int16_t)});
    group_pointers_.push_back(
        {field + offsetof(Group, row_classes), row_classes_at_ + slice.matrix * h.rows * sizeof(int16_t)});
  }
  if (image.own) group_pointers_.push_back({field + offsetof(Group, channels), image.channels_at});

  const bool small_entropy = image.small_entropy && h.run_groups == 1,
             fast = small_entropy && image.network != nullptr && tensor.dtype != DType::kF32;
  const TensorDecoder::TileRange range = stream.tiles_of_rows(group, slice.row_begin, slice.row_end);
  if (options_.verify) {
    NWC_RETURN_IF_ERROR(parallel_for(range.end - range.begin, options_.threads,
                                     [&](size_t i, int) { return stream.verify_tile(range.begin + i); }));
  }
  for (uint64_t t = range.begin; t < range.end; ++t) {
    const TileSpan span = stream.tiling().tile(t);
    const ParsedStream::Tile& tile = stream.parsed().tiles[t];
    (fast ? small_ : any_)
        .push_back({{.bytes = static_cast<const uint8_t*>(tensor.device_stream) + tile.offset,
                     .size = tile.size,
                     .chunks = span.chunks,
                     .first_stripe = span.first_chunk / group.columns.size(),
                     .first_place = static_cast<uint32_t>(span.first_chunk % group.columns.size()),
                     .group = static_cast<uint32_t>(groups_.size() - 1),
                     .small_entropy = small_entropy ? 1u : 0u,
                     .latents_at = 0,
                     .first_block = 0},
                    {number, t},
                    image_number,
                    !fast && decoder_.wide_network != nullptr && tensor.dtype != DType::kF32});
  }
  if (small_.size() + any_.size() > UINT32_MAX / 2048)
    return Error(ErrorCode::kLimit, "too many tiles in one batch").remedy("decode fewer tensors together");
  return {};
}

}  // namespace nwc::cuda
