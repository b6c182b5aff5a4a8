#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "cuda/decode/blob.h"
#include "cuda/decode/codec_image.h"
#include "cuda/decode/decoder.h"
#include "cuda/decode/kernels.h"
#include "decode/tensor_decoder.h"
#include "nwcodec/cuda.h"

namespace nwc {

using namespace cuda;

struct CudaBatch::State {
  const CudaDecoder::State* decoder = nullptr;
  Blob blob;
  // Offsets in the blob.
  size_t groups_at = 0, fast_tiles_at = 0, tiles_at = 0, segments_at = 0, block_tiles_at = 0, items_at = 0;
  uint32_t fast_tiles = 0, tiles = 0, segments = 0, blocks = 0, fast_blocks = 0;
  // Of `blocks`, those of wide networks come first, in so many items.
  uint32_t wide_blocks = 0, items = 0;
  // Tiles of these go through the fused kernel's entropy decoder.
  size_t quick_segments_at = 0;
  uint32_t quick_segments = 0;
  // Offsets in the scratch memory, behind the blob.
  size_t latents_at = 0, states_at = 0, repairs_at = 0, scratch_bytes = 0;
  struct Source {
    uint32_t tensor;
    uint64_t tile;
  };
  std::vector<Source> sources;  // of each status
  std::vector<std::string> names;
  // Of the only tensor, if multiply() takes it.
  uint32_t product_rows = 0, product_columns = 0;
};

CudaBatch::CudaBatch(std::unique_ptr<State> state) : state_(std::move(state)) {}
CudaBatch::CudaBatch(CudaBatch&&) noexcept = default;
CudaBatch& CudaBatch::operator=(CudaBatch&&) noexcept = default;
CudaBatch::~CudaBatch() = default;
size_t CudaBatch::scratch_bytes() const { return state_->scratch_bytes; }
size_t CudaBatch::staging_bytes() const { return state_->blob.size(); }
size_t CudaBatch::tile_count() const { return state_->sources.size(); }
size_t CudaBatch::fused_tile_count() const { return state_->fast_tiles; }
size_t CudaBatch::symbol_bytes() const { return size_t{state_->fast_blocks} * 32 * kFastLatents; }

namespace {

// A number of bytes is a sum over tensors of one machine's memory, so that size_t holds it.
size_t aligned(size_t size) { return (size + Blob::kAlignment - 1) / Blob::kAlignment * Blob::kAlignment; }

uint32_t device_dtype(DType dtype) { return dtype == DType::kF32 ? kF32 : dtype == DType::kF16 ? kF16 : kBF16; }

// Tables and network of a (tensor, level), in device memory already or in the blob.
struct LevelImages {
  const Channel* channels = nullptr;
  const FastTables* tables = nullptr;
  size_t channels_at = 0, tables_at = 0;  // in the blob, if the pointers are null
  bool own = false, quick = false;        // quick: there are tables for the fused kernel
  const FastNetwork* network = nullptr;
};

class Planner {
 public:
  Planner(const CudaDecoder::State& decoder, CudaBatch::Options options) : decoder_(decoder), options_(options) {}

  Status add(const CudaTensor& tensor, uint32_t number) {
    if (!is_weight_dtype(tensor.dtype))
      return Error(ErrorCode::kInvalidArgument,
                   "weights decode to F32, F16 or BF16, not " + std::string(name_of(tensor.dtype)));
    NWC_ASSIGN_OR_RETURN(const TensorDecoder stream, TensorDecoder::open(tensor.name, tensor.stream, tensor.scales,
                                                                         tensor.levels, *decoder_.codec));
    const StreamHeader& h = stream.header();
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
    if (number == 0 && !tensor.slice && h.matrices == 1 && !h.transposed && !h.has_levels && h.columns % 32 == 0 &&
        h.rows < UINT32_MAX && h.columns < UINT32_MAX) {
      product_rows = static_cast<uint32_t>(h.rows);
      product_columns = static_cast<uint32_t>(h.columns);
    }
    scales_at_ = blob.append(stream.scales());
    factors_at_ = blob.append(stream.row_factors());
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

  // Lays out what add() collected.
  void finish(CudaBatch::State& state) {
    // Tiles of one level and one set of tables together, so that tables are seldom loaded.
    std::stable_sort(fast_.begin(), fast_.end(), [](const Planned& a, const Planned& b) { return a.image < b.image; });
    std::stable_sort(general_.begin(), general_.end(),
                     [](const Planned& a, const Planned& b) { return a.wide != b.wide ? a.wide : a.image < b.image; });
    state.groups_at = blob.append(groups_);
    for (const auto& [field, target] : group_pointers_) blob.point(state.groups_at + field, target);
    std::vector<uint32_t> block_tiles;
    std::vector<WideItem> items;
    uint64_t latents = 0;
    for (std::vector<Planned>* tiles : {&fast_, &general_}) {
      uint64_t blocks = 0;
      for (Planned& planned : *tiles) {
        const uint32_t here = (planned.tile.chunks + 31) / 32;
        planned.tile.first_block = static_cast<uint32_t>(blocks);
        blocks += here;
        if (tiles == &fast_) continue;
        planned.tile.latents_at = latents;
        latents += uint64_t{here} * 32 * decoder_.codec->parts().latents();
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
      (tiles == &fast_ ? state.fast_tiles_at : state.tiles_at) = blob.append(bare);
      (tiles == &fast_ ? state.fast_tiles : state.tiles) = static_cast<uint32_t>(bare.size());
      (tiles == &fast_ ? state.fast_blocks : state.blocks) = static_cast<uint32_t>(blocks);
    }
    state.block_tiles_at = blob.append(block_tiles);
    state.items_at = blob.append(items);
    state.items = static_cast<uint32_t>(items.size());
    append_segments(fast_, state.segments_at, state.segments);
    append_segments(general_, state.quick_segments_at, state.quick_segments);
    state.blob = std::move(blob);
    state.latents_at = aligned(state.blob.size());
    state.states_at = aligned(state.latents_at + latents * sizeof(float));
    state.repairs_at = aligned(state.states_at + state.tiles * sizeof(TileState));
    state.scratch_bytes = aligned(state.repairs_at + state.blocks * sizeof(uint32_t));
  }

  Blob blob;
  uint32_t product_rows = 0, product_columns = 0;  // of the first tensor, see State

 private:
  struct Planned {
    Tile tile;
    CudaBatch::State::Source source;
    size_t image;
    bool wide;
  };

  // Neighbouring tiles with the same tables in shared memory.
  void append_segments(const std::vector<Planned>& tiles, size_t& at, uint32_t& count) {
    std::vector<Segment> segments;
    std::vector<size_t> images;
    for (uint32_t t = 0; t < tiles.size(); ++t) {
      if (&tiles == &general_ && tiles[t].tile.quick == 0) continue;
      const LevelImages& image = all_images_[tiles[t].image];
      if (segments.empty() || images.back() != tiles[t].image || segments.back().end != t) {
        segments.push_back({t, t, image.tables, image.network});
        images.push_back(tiles[t].image);
      }
      segments.back().end = t + 1;
    }
    at = blob.append(segments);
    count = static_cast<uint32_t>(segments.size());
    for (size_t s = 0; s < segments.size(); ++s) {
      const LevelImages& image = all_images_[images[s]];
      if (image.own) blob.point(at + s * sizeof(Segment) + offsetof(Segment, tables), image.tables_at);
    }
  }

  size_t images_of(const TensorDecoder& stream, unsigned level) {
    if (const auto found = images_.find(level); found != images_.end()) return found->second;
    if (!stream.has_own_tables()) {
      if (const auto found = codec_images_.find(level); found != codec_images_.end()) return found->second;
    }
    LevelImages image;
    image.network = decoder_.fast_networks[level];
    if (stream.has_own_tables()) {
      const std::vector<float>& centers = decoder_.codec->parts().tables.centers;
      image.own = true;
      image.channels_at = append_channels(blob, stream.tables(), level, decoder_.codec->parts().latents(), centers);
      const std::optional<FastTables> tables = fast_tables(stream.tables(), level, decoder_.codec->parts().latents(), centers);
      image.quick = tables.has_value() && decoder_.fused;
      if (tables) image.tables_at = blob.append(std::span(&*tables, 1));
    } else {
      image.channels = decoder_.channels[level];
      image.tables = decoder_.fast_tables[level];
      image.quick = image.tables != nullptr;
      codec_images_[level] = all_images_.size();
    }
    images_[level] = all_images_.size();
    all_images_.push_back(image);
    return all_images_.size() - 1;
  }

  Status add_group(const CudaTensor& tensor, uint32_t number, const TensorDecoder& stream, const Slice& slice,
                   const LevelGroup& group, uint64_t elements) {
    const StreamHeader& h = stream.header();
    const size_t image_number = images_of(stream, group.level);
    const LevelImages image = all_images_[image_number];
    const uint64_t out_rows = slice.row_end - slice.row_begin, out_columns = slice.column_end - slice.column_begin;
    const size_t field = groups_.size() * sizeof(Group);
    groups_.push_back({.columns = nullptr,
                       .scales = nullptr,
                       .factors = nullptr,
                       .channels = image.channels,
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
      group_pointers_.push_back({field + offsetof(Group, columns), blob.append(group.columns)});
    group_pointers_.push_back({field + offsetof(Group, scales), scales_at_ + slice.matrix * h.columns * sizeof(float)});
    if (!stream.row_factors().empty())
      group_pointers_.push_back(
          {field + offsetof(Group, factors), factors_at_ + slice.matrix * h.rows * sizeof(float)});
    if (image.own) group_pointers_.push_back({field + offsetof(Group, channels), image.channels_at});

    const bool quick = image.quick && h.run_groups == 1,
               fast = quick && image.network != nullptr && tensor.dtype != DType::kF32;
    const TensorDecoder::TileRange range = stream.tiles_of_rows(group, slice.row_begin, slice.row_end);
    if (options_.verify) {
      NWC_RETURN_IF_ERROR(parallel_for(range.end - range.begin, options_.threads,
                                       [&](size_t i, int) { return stream.verify_tile(range.begin + i); }));
    }
    for (uint64_t t = range.begin; t < range.end; ++t) {
      const TileSpan span = stream.tiling().tile(t);
      const ParsedStream::Tile& tile = stream.parsed().tiles[t];
      (fast ? fast_ : general_)
          .push_back({{.bytes = static_cast<const uint8_t*>(tensor.device_stream) + tile.offset,
                       .size = tile.size,
                       .chunks = span.chunks,
                       .first_stripe = span.first_chunk / group.columns.size(),
                       .first_place = static_cast<uint32_t>(span.first_chunk % group.columns.size()),
                       .group = static_cast<uint32_t>(groups_.size() - 1),
                       .quick = quick ? 1u : 0u,
                       .latents_at = 0,
                       .first_block = 0},
                      {number, t},
                      image_number,
                      !fast && decoder_.wide_network != nullptr && tensor.dtype != DType::kF32});
    }
    if (fast_.size() + general_.size() > UINT32_MAX / 2048)
      return Error(ErrorCode::kLimit, "too many tiles in one batch").remedy("decode fewer tensors together");
    return {};
  }

  const CudaDecoder::State& decoder_;
  CudaBatch::Options options_;
  size_t scales_at_ = 0, factors_at_ = 0;
  std::map<unsigned, size_t> images_,
      codec_images_;  // by level, of the current tensor and of the codec: indices into all_images_
  std::vector<LevelImages> all_images_;
  std::vector<Group> groups_;
  std::vector<std::pair<size_t, size_t>> group_pointers_;
  std::vector<Planned> fast_, general_;
};

}  // namespace

Result<CudaBatch> CudaBatch::plan(const CudaDecoder& decoder, std::span<const CudaTensor> tensors,
                                  const Options& options) {
  auto state = std::make_unique<State>();
  state->decoder = &decoder.state();
  Planner planner(decoder.state(), options);
  for (uint32_t t = 0; t < tensors.size(); ++t) {
    if (Status status = planner.add(tensors[t], t); !status)
      return std::move(status).error().in_tensor(tensors[t].name);
    state->names.push_back(tensors[t].name);
  }
  planner.finish(*state);
  if (tensors.size() == 1) {
    state->product_rows = planner.product_rows;
    state->product_columns = planner.product_columns;
  }
  return CudaBatch(std::move(state));
}

Status CudaBatch::upload(void* scratch, void* staging, CUstream_st* stream) const {
  const State& s = *state_;
  s.blob.write(scratch, static_cast<std::byte*>(staging));
  return checked(cudaMemcpyAsync(scratch, staging, s.blob.size(), cudaMemcpyHostToDevice, stream),
                 "copying tile descriptions");
}

Status CudaBatch::decode(void* scratch, uint32_t* statuses, CUstream_st* stream) const {
  const State& s = *state_;
  const CudaDecoder::State& d = *s.decoder;
  std::byte* const base = static_cast<std::byte*>(scratch);
  const auto at = [&]<class T>(size_t offset) { return reinterpret_cast<T*>(base + offset); };
  const Group* const groups = at.operator()<Group>(s.groups_at);
  NWC_RETURN_IF_ERROR(checked(
      fast_decode(d.fast_shape, at.operator()<Segment>(s.segments_at), s.segments, at.operator()<Tile>(s.fast_tiles_at),
                  s.fast_tiles, groups, d.network, statuses, d.multiprocessors, d.shared_room, stream),
      "launching the fused decoder"));
  if (s.tiles == 0) return {};
  const Tile* const tiles = at.operator()<Tile>(s.tiles_at);
  const uint32_t* const block_tiles = at.operator()<uint32_t>(s.block_tiles_at);
  float* const latents = at.operator()<float>(s.latents_at);
  TileState* const states = at.operator()<TileState>(s.states_at);
  uint32_t* const repairs = at.operator()<uint32_t>(s.repairs_at);
  uint32_t* const general_statuses = statuses + s.fast_tiles;
  const TransformWeights& w = d.synthesis();
  const auto size = [](size_t n) { return static_cast<uint32_t>(n); };
  NWC_RETURN_IF_ERROR(
      checked(fast_latents(at.operator()<Segment>(s.quick_segments_at), s.quick_segments, tiles, s.tiles, groups,
                           latents, states, repairs, general_statuses, d.multiprocessors, d.shared_room, stream),
              "launching the entropy decoder"));
  NWC_RETURN_IF_ERROR(checked(
      decode_latents(tiles, s.tiles, groups, size(w.inputs), latents, states, repairs, general_statuses, stream),
      "launching the entropy decoder"));
  const auto wide = d.wide_path == WidePath::kWgmma ? wide_synthesis : wide_synthesis_mma;
  NWC_RETURN_IF_ERROR(checked(wide(d.wide_network, tiles, at.operator()<WideItem>(s.items_at), s.items, groups, latents,
                                   repairs, general_statuses, d.multiprocessors, stream),
                              "launching the network"));
  const auto exactly = [&](uint32_t first_block, uint32_t end_block, const uint32_t* only) {
    return checked(
        exact_synthesis(d.network, size(w.width), size(w.outputs), size(w.inputs), tiles, block_tiles, first_block,
                        end_block, groups, latents, only, states, general_statuses, d.multiprocessors, stream),
        "launching the network");
  };
  NWC_RETURN_IF_ERROR(exactly(0, s.wide_blocks, repairs));
  NWC_RETURN_IF_ERROR(exactly(s.wide_blocks, s.blocks, nullptr));
  return checked(apply_patches(tiles, s.tiles, groups, size(w.outputs), states, general_statuses, stream),
                 "launching the patches");
}

Status CudaBatch::decode_symbols(void* scratch, uint8_t* symbols, uint32_t* statuses, CUstream_st* stream) const {
  const State& s = *state_;
  if (s.tiles > 0) return Error(ErrorCode::kUnsupported, "these streams are not for the fused decoder");
  std::byte* const base = static_cast<std::byte*>(scratch);
  return checked(fast_symbols(reinterpret_cast<const Segment*>(base + s.segments_at), s.segments,
                              reinterpret_cast<const Tile*>(base + s.fast_tiles_at), s.fast_tiles,
                              reinterpret_cast<const Group*>(base + s.groups_at), symbols, statuses,
                              s.decoder->multiprocessors, s.decoder->shared_room, stream),
                 "launching the entropy decoder");
}

Status CudaBatch::multiply(void* scratch, const void* x, float* y, uint32_t batch, uint32_t* statuses,
                           CUstream_st* stream) const {
  const State& s = *state_;
  if (s.product_rows == 0 || s.tiles > 0)
    return Error(ErrorCode::kUnsupported,
                 "this batch is none of one matrix that can be multiplied without decoding it");
  if (batch == 0 || batch > 16) return Error(ErrorCode::kInvalidArgument, "batches are of 1 to 16 vectors");
  std::byte* const base = static_cast<std::byte*>(scratch);
  return checked(fast_product(s.decoder->fast_shape, reinterpret_cast<const Segment*>(base + s.segments_at), s.segments,
                              reinterpret_cast<const Tile*>(base + s.fast_tiles_at), s.fast_tiles,
                              reinterpret_cast<const Group*>(base + s.groups_at), s.decoder->network, x, y, batch,
                              s.product_columns, s.product_rows, statuses, s.decoder->multiprocessors,
                              s.decoder->shared_room, stream),
                 "launching the product");
}

Status CudaBatch::check(std::span<const uint32_t> statuses) const {
  for (size_t t = 0; t < std::min(statuses.size(), state_->sources.size()); ++t) {
    if (statuses[t] == kCudaTileDecoded) continue;
    const State::Source& source = state_->sources[t];
    return Error(ErrorCode::kCorrupt, "tile " + std::to_string(source.tile) + " is damaged")
        .in_tensor(state_->names[source.tensor])
        .remedy("the file is damaged: fetch it again");
  }
  return {};
}

}  // namespace nwc
