#include <utility>
#include <vector>

#include "cuda/decode/batch_planner.h"
#include "cuda/decode/batch_state.h"
#include "cuda/decode/kernels.h"
#include "nwcodec/cuda.h"

namespace nwc {

using namespace cuda;

CudaBatch::CudaBatch(std::unique_ptr<State> state) : state_(std::move(state)) {}
CudaBatch::CudaBatch(CudaBatch&&) noexcept = default;
CudaBatch& CudaBatch::operator=(CudaBatch&&) noexcept = default;
CudaBatch::~CudaBatch() = default;
size_t CudaBatch::scratch_bytes() const { return state_->scratch_bytes; }
size_t CudaBatch::staging_bytes() const { return state_->blob.size(); }
size_t CudaBatch::tile_count() const { return state_->sources.size(); }
size_t CudaBatch::fused_tile_count() const { return state_->small_tiles; }
size_t CudaBatch::symbol_bytes() const { return size_t{state_->small_blocks} * 32 * kSmallLatents; }

Result<CudaBatch> CudaBatch::plan(const CudaDecoder& decoder, std::span<const CudaTensor> tensors,
                                  const Options& options) {
  auto state = std::make_unique<State>();
  state->decoder = &decoder.state();
  BatchPlanner planner(decoder.state(), options);
  for (uint32_t t = 0; t < tensors.size(); ++t) {
    if (Status status = planner.add(tensors[t], t); !status)
      return std::move(status).error().in_tensor(tensors[t].name);
    state->names.push_back(tensors[t].name);
  }
  planner.finish(*state);
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
  NWC_RETURN_IF_ERROR(checked(small_decode(d.small_shape, at.operator()<Segment>(s.segments_at), s.segments,
                                           at.operator()<Tile>(s.small_tiles_at), s.small_tiles, groups, d.network,
                                           statuses, d.multiprocessors, d.shared_room, stream),
                              "launching the fused decoder"));
  if (s.tiles == 0) return {};
  const Tile* const tiles = at.operator()<Tile>(s.tiles_at);
  const uint32_t* const block_tiles = at.operator()<uint32_t>(s.block_tiles_at);
  float* const latents = at.operator()<float>(s.latents_at);
  TileState* const states = at.operator()<TileState>(s.states_at);
  uint32_t* const repairs = at.operator()<uint32_t>(s.repairs_at);
  uint32_t* const any_statuses = statuses + s.small_tiles;
  const TransformWeights& w = d.synthesis();
  if (d.plain_words != nullptr) {
    const std::vector<uint32_t>& begins = d.plain.begins;
    const PlainDecoding task{.tables = d.plain_words + begins[s.near_first],
                             .places = at.operator()<uint32_t>(s.near_places_at),
                             .next_state = d.trellis,
                             .words = begins[s.near_first + s.near_count] - begins[s.near_first],
                             .states = d.codec->parts().trellis->states,
                             .classes = static_cast<uint32_t>(d.plain.lengths.size()),
                             .first = s.near_first,
                             .count = s.near_count};
    NWC_RETURN_IF_ERROR(
        checked(plain_decode(task, tiles, s.tiles, groups, states, any_statuses, d.multiprocessors, stream),
                "launching the decoder"));
    return checked(apply_patches(tiles, s.tiles, groups, kPlainChunk, states, any_statuses, stream),
                   "launching the patches");
  }
  const auto size = [](size_t n) { return static_cast<uint32_t>(n); };
  NWC_RETURN_IF_ERROR(
      checked(small_latents(at.operator()<Segment>(s.entropy_segments_at), s.entropy_segments, tiles, s.tiles, groups,
                            latents, states, repairs, any_statuses, d.multiprocessors, d.shared_room, stream),
              "launching the entropy decoder"));
  NWC_RETURN_IF_ERROR(
      checked(decode_latents(tiles, s.tiles, groups, size(w.inputs), latents, states, repairs, any_statuses, stream),
              "launching the entropy decoder"));
  const auto wide = d.wide_path == WidePath::kWgmma ? wide_synthesis : wide_synthesis_mma;
  NWC_RETURN_IF_ERROR(checked(wide(d.wide_network, tiles, at.operator()<WideItem>(s.items_at), s.items, groups, latents,
                                   repairs, any_statuses, d.multiprocessors, stream),
                              "launching the network"));
  const auto exactly = [&](uint32_t first_block, uint32_t end_block, const uint32_t* only) {
    return checked(
        exact_synthesis(d.network, size(w.width), size(w.outputs), size(w.inputs), tiles, block_tiles, first_block,
                        end_block, groups, latents, only, states, any_statuses, d.multiprocessors, stream),
        "launching the network");
  };
  NWC_RETURN_IF_ERROR(exactly(0, s.wide_blocks, repairs));
  NWC_RETURN_IF_ERROR(exactly(s.wide_blocks, s.blocks, nullptr));
  return checked(apply_patches(tiles, s.tiles, groups, size(w.outputs), states, any_statuses, stream),
                 "launching the patches");
}

Status CudaBatch::decode_symbols(void* scratch, uint8_t* symbols, uint32_t* statuses, CUstream_st* stream) const {
  const State& s = *state_;
  if (s.tiles > 0) return Error(ErrorCode::kUnsupported, "these streams are not for the fused decoder");
  std::byte* const base = static_cast<std::byte*>(scratch);
  return checked(small_symbols(reinterpret_cast<const Segment*>(base + s.segments_at), s.segments,
                               reinterpret_cast<const Tile*>(base + s.small_tiles_at), s.small_tiles,
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
  return checked(small_product(s.decoder->small_shape, reinterpret_cast<const Segment*>(base + s.segments_at),
                               s.segments, reinterpret_cast<const Tile*>(base + s.small_tiles_at), s.small_tiles,
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
