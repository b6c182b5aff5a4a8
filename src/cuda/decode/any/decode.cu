// Any codec, in three passes over scratch memory: entropy decoding to latents, the network in binary32, patches. The
// same bits as the CPU kernels.
#include <cuda_runtime.h>

#include "cuda/decode/kernels.h"
#include "cuda/decode/tile_access.cuh"

namespace nwc::cuda {
namespace {

constexpr uint32_t kWarpsPerBlock = 4;

// Gives every lane whose state fell below its bound the next word, in the order of lanes. False, for the whole warp, if
// there are too few.
__device__ bool refill(uint32_t& state, bool active, uint32_t lane, const uint8_t* words, uint32_t word_count,
                       uint32_t& next) {
  const bool wants = active && state < kLowerBound;
  const uint32_t wanting = __ballot_sync(kAllLanes, wants), count = __popc(wanting);
  if (count > word_count - next) return false;
  if (wants) {
    const uint8_t* const at = words + 2 * (size_t{next} + __popc(wanting & ((1u << lane) - 1)));
    state = state << 16 | at[0] | at[1] << 8;
  }
  next += count;
  return true;
}

// Where the table of latent c of a chunk stands among the group's (docs/format.md, section 7); with a trellis, that of
// even integers (section 8).
__device__ uint32_t table_of(const Group& group, const Tile& tile, uint32_t chunk, uint32_t c,
                             uint32_t latents_per_chunk) {
  if (group.column_classes == nullptr) return c;
  const Place place = place_of(group, tile, chunk, latents_per_chunk);
  const uint64_t row = place.row + c;
  if (group.trellis != nullptr && row >= group.rows) return 0;
  const int sum = group.column_classes[place.column] + (row < group.rows ? group.row_classes[row] : 0);
  return static_cast<uint32_t>(min(max(sum, 0), static_cast<int>(group.tables) - 1));
}

__device__ bool decode_tile(const Tile& tile, const Group& group, uint32_t latents_per_chunk, float* z, uint32_t lane,
                            TileState& tile_state) {
  TileHead head;
  if (!open_tile(tile, lane, head)) return false;
  const uint8_t* const words = tile.bytes + head.words_at;
  SideReader side{tile.bytes, head.side_at, tile.size};
  uint32_t state = head.state, next = 0;
  const uint32_t groups = (tile.chunks + 31) / 32;
  const size_t stride = size_t{groups} * 32;
  for (uint32_t run = 0; run < groups; run += group.run_groups) {
    const uint32_t run_end = min(groups, run + group.run_groups);
    uint32_t path = 0;  // state of the lane's trellis; a run is a group then
    for (uint32_t c = 0; c < latents_per_chunk; ++c) {
      const bool by_classes = group.column_classes != nullptr;
      Channel channel = group.channels[c];
      const float center = by_classes ? group.channels[group.level * latents_per_chunk + c].center : channel.center;
      for (uint32_t g = run; g < run_end; ++g) {
        const uint32_t chunk = g * 32 + lane;
        const bool active = chunk < tile.chunks;
        const uint32_t odd = group.trellis != nullptr ? path & 1 : 0;
        if (by_classes && active)
          channel = group.channels[table_of(group, tile, chunk, c, latents_per_chunk) + odd * group.tables];
        uint32_t symbol = 0, raw = 0;
        if (active) {
          const uint32_t entry = __ldg(channel.slots + (state & (kSlots - 1)));
          state = (entry >> 8 & 0xFFF) * (state >> 12) + (entry >> 20);
          symbol = entry & 0xFF;
        }
        if (!refill(state, active, lane, words, head.word_count, next)) return false;
        if (__any_sync(kAllLanes, active && channel.shift > 0)) {
          if (active) {
            raw = state & ((1u << channel.shift) - 1);
            state >>= channel.shift;
          }
          if (!refill(state, active, lane, words, head.word_count, next)) return false;
        }
        if (group.trellis != nullptr) path = group.trellis[2 * path + (((symbol << channel.shift) + raw) & 1)];
        int32_t value = channel.minimum + static_cast<int32_t>((symbol << channel.shift) + raw);
        uint32_t escaped = __ballot_sync(kAllLanes, active && symbol == channel.escape);
        for (; escaped != 0; escaped &= escaped - 1) {
          int32_t spelled;
          if (!side.escape(spelled)) return false;
          if (lane == static_cast<uint32_t>(__ffs(escaped)) - 1) value = spelled;
        }
        if (group.trellis != nullptr) value = 2 * value + static_cast<int32_t>(odd);
        z[c * stride + chunk] = active ? __fadd_rn(static_cast<float>(value), center) : 0.0f;
      }
    }
  }
  if (lane == 0) tile_state.side = side.at;
  return __all_sync(kAllLanes, state == kLowerBound) && next == head.word_count;
}

__global__ void __launch_bounds__(32 * kWarpsPerBlock)
    decode_latents_kernel(const Tile* tiles, uint32_t count, const Group* groups, uint32_t latents_per_chunk,
                          float* latents, TileState* states, uint32_t* repairs, uint32_t* statuses) {
  const uint32_t lane = threadIdx.x % 32, number = blockIdx.x * kWarpsPerBlock + threadIdx.x / 32;
  if (number >= count) return;  // the whole warp
  const Tile tile = tiles[number];
  if (tile.small_entropy) return;
  if (lane == 0) states[number].non_finite = 0;
  for (uint32_t g = lane; g < (tile.chunks + 31) / 32; g += 32) repairs[tile.first_block + g] = 0;
  const bool whole =
      decode_tile(tile, groups[tile.group], latents_per_chunk, latents + tile.latents_at, lane, states[number]);
  if (lane == 0) statuses[number] = whole ? kTileDecoded : kTileDamaged;
}

// --- the network: kChunks chunks side by side, a thread has one chunk and every (blockDim / kChunks)-th panel of eight
// outputs

constexpr uint32_t kThreads = 256, kPanel = 8;

// y[j][i] = linear(x)[j] for the block's chunks i; x, y: [..][chunks] in shared memory.
__device__ void linear(const Linear& layer, uint32_t chunks, const float* x, float* y) {
  const uint32_t i = threadIdx.x % chunks, panels = (layer.outputs + kPanel - 1) / kPanel;
  for (uint32_t panel = threadIdx.x / chunks; panel < panels; panel += kThreads / chunks) {
    const float4* weights = reinterpret_cast<const float4*>(layer.packed + size_t{panel} * kPanel * layer.inputs);
    float acc[kPanel];
#pragma unroll
    for (uint32_t j = 0; j < kPanel; ++j) acc[j] = layer.bias[panel * kPanel + j];
    for (uint32_t k = 0; k < layer.inputs; ++k) {
      const float v = x[k * chunks + i];
      const float4 a = __ldg(weights + 2 * k), b = __ldg(weights + 2 * k + 1);
      acc[0] = __fmaf_rn(a.x, v, acc[0]);
      acc[1] = __fmaf_rn(a.y, v, acc[1]);
      acc[2] = __fmaf_rn(a.z, v, acc[2]);
      acc[3] = __fmaf_rn(a.w, v, acc[3]);
      acc[4] = __fmaf_rn(b.x, v, acc[4]);
      acc[5] = __fmaf_rn(b.y, v, acc[5]);
      acc[6] = __fmaf_rn(b.z, v, acc[6]);
      acc[7] = __fmaf_rn(b.w, v, acc[7]);
    }
#pragma unroll
    for (uint32_t j = 0; j < kPanel; ++j) {
      if (panel * kPanel + j < layer.outputs) y[(panel * kPanel + j) * chunks + i] = acc[j];
    }
  }
  __syncthreads();
}

__device__ void residual_block(const Block& block, const float* embedding, uint32_t width, uint32_t chunks, float* h,
                               float* u, float* mean_and_r) {
  linear(block.linear, chunks, h, u);
  if (threadIdx.x < chunks) {  // sums in the order of the reference
    const uint32_t i = threadIdx.x;
    float sum = 0;
    for (uint32_t j = 0; j < width; ++j) sum = __fadd_rn(sum, u[j * chunks + i]);
    const float mean = __fdiv_rn(sum, static_cast<float>(width));
    float squares = 0;
    for (uint32_t j = 0; j < width; ++j) {
      const float d = __fsub_rn(u[j * chunks + i], mean);
      squares = __fmaf_rn(d, d, squares);
    }
    mean_and_r[i] = mean;
    mean_and_r[chunks + i] =
        __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(squares, static_cast<float>(width)), 1e-5f)));
  }
  __syncthreads();
  for (uint32_t at = threadIdx.x; at < width * chunks; at += kThreads) {
    const uint32_t j = at / chunks, i = at % chunks;
    const float a =
        __fmaf_rn(__fmul_rn(__fsub_rn(u[at], mean_and_r[i]), mean_and_r[chunks + i]), block.gain[j], block.offset[j]);
    h[at] = __fmul_rn(__fadd_rn(h[at], a > 0.0f ? a : 0.0f), embedding[j]);
  }
  __syncthreads();
}

// Chunks [first, first + chunks) of a tile, those in `wanted` (bit i: chunk first + i).
__device__ void synthesise(const Network& net, uint32_t chunks, const Tile& tile, const Group& group, uint32_t first,
                           uint32_t wanted, const float* latents, TileState& state, float* shared) {
  const uint32_t rows = max(max(net.width, net.inputs), net.outputs);
  float* const x = shared;  // both [rows][chunks]
  float* const u = x + rows * chunks;
  float* const mean_and_r = u + rows * chunks;
  const size_t stride = size_t{(tile.chunks + 31) / 32} * 32;
  for (uint32_t at = threadIdx.x; at < net.inputs * chunks; at += kThreads)
    x[at] = latents[tile.latents_at + at / chunks * stride + first + at % chunks];
  __syncthreads();
  float* h = x;
  if (net.plain != 0) {
    h = u;
  } else if (net.depth == 0) {
    for (uint32_t at = threadIdx.x; at < net.inputs * chunks; at += kThreads)
      x[at] = __fmul_rn(x[at], net.embeddings[group.level * net.width + at / chunks]);
    __syncthreads();
  } else {
    linear(net.in, chunks, x, u);
    h = u;
    for (uint32_t b = 0; b < net.depth; ++b) {
      const float* const embedding =
          net.embeddings + (size_t{net.embedding_sets == 1 ? 0 : b} * net.levels + group.level) * net.width;
      residual_block(net.blocks[b], embedding, net.width, chunks, h, x, mean_and_r);
    }
  }
  float* const y = h == x ? u : x;
  if (net.plain == 0) linear(net.out, chunks, h, y);
  for (uint32_t at = threadIdx.x; at < net.outputs * chunks; at += kThreads) {
    const uint32_t j = at / chunks, i = at % chunks, chunk = first + i;
    if (chunk >= tile.chunks || (wanted >> i & 1) == 0) continue;
    if (!finite(y[at])) {
      const uint32_t n = atomicAdd(&state.non_finite, 1u);
      if (n < kMaxNonFinite) state.positions[n] = chunk * net.outputs + j;
      continue;
    }
    const Place place = place_of(group, tile, chunk, net.outputs);
    store_weight(group, place.row + j, place.column, y[at]);
  }
  __syncthreads();
}

__global__ void __launch_bounds__(kThreads)
    exact_synthesis_kernel(const Network* network, uint32_t chunks, const Tile* tiles, const uint32_t* block_tiles,
                           uint32_t first_block, uint32_t end_block, const Group* groups, const float* latents,
                           const uint32_t* repairs, TileState* states, const uint32_t* statuses) {
  extern __shared__ float shared[];
  const Network net = *network;
  const uint32_t pieces = 32 / chunks, items = (end_block - first_block) * pieces;
  // Repairs are rare, so a thread block looks for them in many items at a time.
  const uint32_t stretch = repairs != nullptr ? kThreads : 1;
  for (uint32_t begin = blockIdx.x * stretch; begin < items; begin += gridDim.x * stretch) {
    const uint32_t mine = begin + threadIdx.x;
    if (repairs != nullptr && !__syncthreads_or(mine < items && repairs[first_block + mine / pieces] != 0)) continue;
    for (uint32_t item = begin; item < min(begin + stretch, items); ++item) {
      const uint32_t block = first_block + item / pieces, number = block_tiles[block], piece = item % pieces;
      const uint32_t wanted = repairs != nullptr ? repairs[block] : kAllLanes;
      if (wanted == 0 || statuses[number] != kTileDecoded) continue;
      const Tile tile = tiles[number];
      synthesise(net, chunks, tile, groups[tile.group], (block - tile.first_block) * 32 + piece * chunks,
                 wanted >> piece * chunks, latents, states[number], shared);
    }
  }
}

__global__ void __launch_bounds__(32 * kWarpsPerBlock)
    apply_patches_kernel(const Tile* tiles, uint32_t count, const Group* groups, uint32_t chunk_length,
                         const TileState* states, uint32_t* statuses) {
  const uint32_t lane = threadIdx.x % 32, number = blockIdx.x * kWarpsPerBlock + threadIdx.x / 32;
  if (number >= count || statuses[number] != kTileDecoded) return;
  const Tile tile = tiles[number];
  const TileState& state = states[number];
  const uint32_t waiting = state.non_finite;
  if (state.side == tile.size && waiting == 0) return;
  const auto is_pending = [&](uint32_t position) {
    bool found = false;
    for (uint32_t n = 0; n < min(waiting, kMaxNonFinite); ++n) found |= state.positions[n] == position;
    return found;
  };
  const uint32_t mended =
      apply_tile_patches({tile.bytes, state.side, tile.size}, tile, groups[tile.group], chunk_length, lane, is_pending);
  __syncwarp();
  if (mended != waiting && lane == 0) statuses[number] = kTileDamaged;
}

}  // namespace

int decode_latents(const Tile* tiles, uint32_t tile_count, const Group* groups, uint32_t latents_per_chunk,
                   float* latents, TileState* states, uint32_t* repairs, uint32_t* statuses, CUstream_st* stream) {
  if (tile_count == 0) return cudaSuccess;
  decode_latents_kernel<<<(tile_count + kWarpsPerBlock - 1) / kWarpsPerBlock, 32 * kWarpsPerBlock, 0, stream>>>(
      tiles, tile_count, groups, latents_per_chunk, latents, states, repairs, statuses);
  return cudaGetLastError();
}

int exact_synthesis(const Network* network, uint32_t width, uint32_t outputs, uint32_t inputs, const Tile* tiles,
                    const uint32_t* block_tiles, uint32_t first_block, uint32_t end_block, const Group* groups,
                    const float* latents, const uint32_t* repairs, TileState* states, const uint32_t* statuses,
                    int multiprocessors, CUstream_st* stream) {
  if (first_block == end_block) return cudaSuccess;
  const uint32_t rows = width > inputs ? (width > outputs ? width : outputs) : (inputs > outputs ? inputs : outputs);
  uint32_t chunks = 32;  // as many side by side as shared memory holds
  const auto bytes = [&] { return (2 * size_t{rows} + 2) * chunks * sizeof(float); };
  while (bytes() > 96 * 1024) chunks /= 2;  // what every device has; a width of 4096 leaves 2
  if (const cudaError_t error = cudaFuncSetAttribute(
          exact_synthesis_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes())))
    return error;
  const uint32_t items = (end_block - first_block) * (32 / chunks), most = static_cast<uint32_t>(multiprocessors) * 4,
                 grid = items < most ? items : most;
  exact_synthesis_kernel<<<grid, kThreads, bytes(), stream>>>(network, chunks, tiles, block_tiles, first_block,
                                                              end_block, groups, latents, repairs, states, statuses);
  return cudaGetLastError();
}

int apply_patches(const Tile* tiles, uint32_t tile_count, const Group* groups, uint32_t chunk_length,
                  const TileState* states, uint32_t* statuses, CUstream_st* stream) {
  if (tile_count == 0) return cudaSuccess;
  apply_patches_kernel<<<(tile_count + kWarpsPerBlock - 1) / kWarpsPerBlock, 32 * kWarpsPerBlock, 0, stream>>>(
      tiles, tile_count, groups, chunk_length, states, statuses);
  return cudaGetLastError();
}

}  // namespace nwc::cuda
