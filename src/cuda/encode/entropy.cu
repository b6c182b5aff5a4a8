// Symbols to tiles: the device's tensor/symbol_sample.cc and entropy/encode/tile_encoder.cc.
#include <cuda_runtime.h>

#include "cuda/encode/kernels.h"
#include "cuda/encode/scale_classes.cuh"

namespace nwc::cuda {
namespace {

constexpr uint32_t kLanes = 32, kAllLanes = 0xFFFFFFFFu;
constexpr uint32_t kPrecisionBits = 12;

// Where the symbols of a tile's chunk i begin; channel c is c * columns further.
__device__ inline const int32_t* chunk_at(const SymbolsView& view, const ColumnGroup& group, const TileToCode& tile,
                                          uint32_t i) {
  const uint32_t place = tile.first_place + i, stripe = place / group.count, p = place - stripe * group.count;
  const uint64_t slot = group.first_slot + tile.first_stripe + stripe;
  return view.symbols + slot * view.channels * view.columns + (group.columns != nullptr ? group.columns[p] : p);
}

// The context of channel c of the same chunk, of tensors with classes.
__device__ inline uint32_t class_of(const SymbolsView& view, const ColumnGroup& group, const TileToCode& tile,
                                    uint32_t i, uint32_t c) {
  const uint32_t place = tile.first_place + i, stripe = place / group.count, p = place - stripe * group.count;
  return context_of(group.classes, group.columns != nullptr ? group.columns[p] : p,
                    (tile.first_stripe + stripe) * view.channels + c);
}

// --- counting

constexpr int32_t kSharedReach = 256;
constexpr uint32_t kMostSharedLevels = 8;

// Without counts in shared memory.
__device__ inline void count_alone(const Counts& counts, uint32_t series, int32_t value) {
  if (value >= -kCountReach && value < kCountReach) {
    atomicAdd(&counts.near[uint64_t{series} * 2 * kCountReach + static_cast<uint32_t>(value + kCountReach)], 1u);
  } else {
    const uint32_t at = atomicAdd(counts.far_count, 1u);
    if (at < counts.far_capacity) counts.far[at] = {series, value};
  }
}
__device__ inline void count_symbol(const Counts& counts, uint32_t* shared, uint32_t series, int32_t value) {
  if (value >= -kSharedReach && value < kSharedReach)
    atomicAdd(&shared[value + kSharedReach], 1u);
  else
    count_alone(counts, series, value);
}
__device__ inline void flush(const Counts& counts, const uint32_t* shared, uint32_t series) {
  for (uint32_t i = threadIdx.x; i < 2 * kSharedReach; i += blockDim.x) {
    if (shared[i] != 0)
      atomicAdd(&counts.near[uint64_t{series} * 2 * kCountReach + i + kCountReach - kSharedReach], shared[i]);
  }
}

__global__ void __launch_bounds__(256) count_tiles_kernel(SymbolsView view, const uint32_t* numbers, Counts counts) {
  __shared__ uint32_t shared[2 * kSharedReach];
  for (uint32_t i = threadIdx.x; i < 2 * kSharedReach; i += blockDim.x) shared[i] = 0;
  __syncthreads();
  const TileToCode tile = view.tiles[numbers[blockIdx.x]];
  const ColumnGroup group = view.groups[tile.group];
  const uint32_t channel = blockIdx.y, series = group.level * view.channels + channel;
  if (group.classes.columns != nullptr) {
    for (uint32_t i = threadIdx.x; i < tile.chunks; i += blockDim.x) {
      const CodedInteger coded = coded_integer(group.classes, class_of(view, group, tile, i, channel),
                                               chunk_at(view, group, tile, i)[channel * view.columns]);
      count_alone(counts, coded.context, coded.value);
    }
    return;
  }
  for (uint32_t i = threadIdx.x; i < tile.chunks; i += blockDim.x)
    count_symbol(counts, shared, series, chunk_at(view, group, tile, i)[channel * view.columns]);
  __syncthreads();
  flush(counts, shared, series);
}

constexpr uint32_t kSlotsTogether = 16;
constexpr uint32_t kTransformChannels = 16;  // of codecs with a transform
__global__ void __launch_bounds__(256)
    count_slots_kernel(const int32_t* symbols, uint32_t slots, uint64_t columns, const uint8_t* levels, Counts counts) {
  constexpr uint32_t kChannels = kTransformChannels;
  __shared__ uint32_t shared[kMostSharedLevels][2 * kSharedReach];
  for (uint32_t i = threadIdx.x; i < kMostSharedLevels * 2 * kSharedReach; i += blockDim.x)
    shared[i / (2 * kSharedReach)][i % (2 * kSharedReach)] = 0;
  __syncthreads();
  const uint32_t channel = blockIdx.y, begin = blockIdx.x * kSlotsTogether, end = min(slots, begin + kSlotsTogether);
  bool seen = false;
  for (uint32_t slot = begin; slot < end; ++slot) {
    const int32_t* const row = symbols + (uint64_t{slot} * kChannels + channel) * columns;
    for (uint64_t k = threadIdx.x; k < columns; k += blockDim.x) {
      const uint32_t level = levels != nullptr ? levels[k] : 0;
      count_symbol(counts, shared[level], level * kChannels + channel, row[k]);
      seen = true;
    }
  }
  if (!__syncthreads_or(seen)) return;
  for (uint32_t level = 0; level < (levels != nullptr ? kMostSharedLevels : 1u); ++level)
    flush(counts, shared[level], level * kChannels + channel);
}

__global__ void __launch_bounds__(256)
    count_classes_kernel(const int32_t* symbols, const uint32_t* stripes, uint32_t slots, uint64_t columns,
                         uint32_t channels, LineClasses classes, Counts counts) {
  const uint32_t channel = blockIdx.y, begin = blockIdx.x * kSlotsTogether, end = min(slots, begin + kSlotsTogether);
  for (uint32_t slot = begin; slot < end; ++slot) {
    const int32_t* const row = symbols + (uint64_t{slot} * channels + channel) * columns;
    const uint64_t in_matrix = uint64_t{stripes[slot]} * channels + channel;
    for (uint64_t k = threadIdx.x; k < columns; k += blockDim.x) {
      const CodedInteger coded = coded_integer(classes, context_of(classes, k, in_matrix), row[k]);
      count_alone(counts, coded.context, coded.value);
    }
  }
}

// --- rANS, backwards: the last symbol decoded is the first encoded

constexpr uint32_t kWarpsPerBlock = 4;

// Renormalisation: lanes with a full state emit a word each below `next`, the highest lane's first.
__device__ inline void emit(uint32_t& state, bool wants, uint32_t lane, uint16_t* words, uint64_t& next) {
  const uint32_t wanting = __ballot_sync(kAllLanes, wants);
  if (wants) {
    words[next - 1 - __popc(wanting & ~((2u << lane) - 1))] = static_cast<uint16_t>(state);
    state >>= 16;
  }
  next -= __popc(wanting);
}

__global__ void __launch_bounds__(32 * kWarpsPerBlock)
    encode_tiles_kernel(SymbolsView view, uint32_t tile_count, const CodingTable* tables, uint32_t run_groups,
                        CodedTilesView coded) {
  const uint32_t lane = threadIdx.x % kLanes, number = blockIdx.x * kWarpsPerBlock + threadIdx.x / kLanes;
  if (number >= tile_count) return;  // the whole warp
  const TileToCode tile = view.tiles[number];
  const ColumnGroup group = view.groups[tile.group];
  const uint32_t groups = (tile.chunks + kLanes - 1) / kLanes, runs = (groups + run_groups - 1) / run_groups;
  uint32_t state = 1u << 16;
  uint64_t next = tile.words_end;
  for (uint32_t run = runs; run-- > 0;) {
    const uint32_t run_begin = run * run_groups, run_end = min(groups, run_begin + run_groups);
    for (uint32_t c = view.channels; c-- > 0;) {
      const bool by_class = group.classes.columns != nullptr;
      CodingTable table = tables[by_class ? 0 : group.level * view.channels + c];
      const auto value_of = [&](uint32_t g) {
        return g * kLanes + lane < tile.chunks ? chunk_at(view, group, tile, g * kLanes + lane)[c * view.columns] : 0;
      };
      int32_t ahead = value_of(run_end - 1);
      for (uint32_t g = run_end; g-- > run_begin;) {
        int32_t value = ahead;
        if (g > run_begin) ahead = value_of(g - 1);
        const bool active = g * kLanes + lane < tile.chunks;
        if (by_class && active) {
          const CodedInteger coded =
              coded_integer(group.classes, class_of(view, group, tile, g * kLanes + lane, c), value);
          table = tables[coded.context];
          value = coded.value;
        }
        // The offset of an integer below the minimum wraps round to a large number.
        const uint32_t offset = static_cast<uint32_t>(value) - static_cast<uint32_t>(table.minimum);
        const bool escapes = (offset >> table.shift) >= table.count;
        const uint32_t symbol = escapes ? table.count : offset >> table.shift;
        if (__any_sync(kAllLanes, table.shift != 0)) {
          const bool raw = active && table.shift != 0;
          emit(state, raw && (state >> (32 - table.shift)) != 0, lane, coded.words, next);
          if (raw) state = state << table.shift | (escapes ? 0 : offset & ((1u << table.shift) - 1));
        }
        const uint32_t interval = active ? __ldg(table.intervals + symbol) : 1, start = interval >> 16,
                       frequency = interval & 0xFFFF;
        emit(state, active && (state >> (32 - kPrecisionBits)) >= frequency, lane, coded.words, next);
        if (!active) continue;
        state = (state / frequency << kPrecisionBits) + start + state % frequency;
        if (escapes) {
          const uint32_t at = atomicAdd(coded.escape_count, 1u);
          if (at < coded.escape_capacity)
            coded.escapes[at] = {uint64_t{run} << 32 | c << 16 | (g * kLanes + lane), number, value};
        }
      }
    }
  }
  coded.states[uint64_t{number} * kLanes + lane] = state;
  if (lane == 0) coded.counts[number] = static_cast<uint32_t>(tile.words_end - next);
}

__global__ void __launch_bounds__(32 * kWarpsPerBlock)
    place_tiles_kernel(const TileToCode* tiles, uint32_t tile_count, CodedTilesView coded, const uint64_t* offsets,
                       uint8_t* payload) {
  const uint32_t lane = threadIdx.x % kLanes, number = blockIdx.x * kWarpsPerBlock + threadIdx.x / kLanes;
  if (number >= tile_count) return;
  const uint32_t count = coded.counts[number], active = min(tiles[number].chunks, kLanes);
  uint8_t* const to = payload + offsets[number];
  const auto put = [&](uint8_t* at, uint32_t value) {
    for (uint32_t i = 0; i < 4; ++i) at[i] = static_cast<uint8_t>(value >> 8 * i);
  };
  if (lane == 0) put(to, count);
  if (lane < active) put(to + 4 + 4 * lane, coded.states[uint64_t{number} * kLanes + lane]);
  const uint16_t* const words = coded.words + tiles[number].words_end - count;
  uint8_t* const from = to + 4 + 4 * active;
  for (uint32_t i = lane; i < count; i += kLanes) {
    from[2 * i] = static_cast<uint8_t>(words[i]);
    from[2 * i + 1] = static_cast<uint8_t>(words[i] >> 8);
  }
}

}  // namespace

int count_tiles(const SymbolsView& view, const uint32_t* numbers, uint32_t count, const Counts& counts,
                CUstream_st* stream) {
  if (count == 0) return cudaSuccess;
  count_tiles_kernel<<<dim3(count, view.channels), 256, 0, stream>>>(view, numbers, counts);
  return cudaGetLastError();
}

int count_slots(const int32_t* symbols, uint32_t slots, uint64_t columns, const uint8_t* levels, const Counts& counts,
                CUstream_st* stream) {
  if (slots == 0 || columns == 0) return cudaSuccess;
  count_slots_kernel<<<dim3((slots + kSlotsTogether - 1) / kSlotsTogether, kTransformChannels), 256, 0, stream>>>(
      symbols, slots, columns, levels, counts);
  return cudaGetLastError();
}

int count_slots_by_class(const int32_t* symbols, const uint32_t* stripes, uint32_t slots, uint64_t columns,
                         uint32_t channels, const LineClasses& classes, const Counts& counts, CUstream_st* stream) {
  if (slots == 0 || columns == 0) return cudaSuccess;
  count_classes_kernel<<<dim3((slots + kSlotsTogether - 1) / kSlotsTogether, channels), 256, 0, stream>>>(
      symbols, stripes, slots, columns, channels, classes, counts);
  return cudaGetLastError();
}

int encode_tiles(const SymbolsView& view, uint32_t tile_count, const CodingTable* tables, uint32_t run_groups,
                 const CodedTilesView& coded, CUstream_st* stream) {
  if (tile_count == 0) return cudaSuccess;
  encode_tiles_kernel<<<(tile_count + kWarpsPerBlock - 1) / kWarpsPerBlock, 32 * kWarpsPerBlock, 0, stream>>>(
      view, tile_count, tables, run_groups, coded);
  return cudaGetLastError();
}

int place_tiles(const TileToCode* tiles, uint32_t tile_count, const CodedTilesView& coded, const uint64_t* offsets,
                uint8_t* payload, CUstream_st* stream) {
  if (tile_count == 0) return cudaSuccess;
  place_tiles_kernel<<<(tile_count + kWarpsPerBlock - 1) / kWarpsPerBlock, 32 * kWarpsPerBlock, 0, stream>>>(
      tiles, tile_count, coded, offsets, payload);
  return cudaGetLastError();
}

}  // namespace nwc::cuda
