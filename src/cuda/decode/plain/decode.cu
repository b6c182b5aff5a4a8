// Codecs with a trellis in one kernel: rANS words in, weights out, nothing else through device memory.
//
// A warp decodes a tile, a lane one of its states, a chunk of 64 weights at a time. The tables of the classes that most
// weights have are in shared memory; a step of which a lane has another table reads them all from device memory.
// Integer arithmetic up to the weight itself, so the bits are the CPU's.
#include <cuda_runtime.h>

#include "cuda/decode/kernels.h"
#include "cuda/decode/tile_access.cuh"
#include "cuda/decode/word_stream.cuh"
#include "cuda/support/ptx.cuh"

namespace nwc::cuda {
namespace {

constexpr uint32_t kWarps = 24, kStepsPerRefill = 2;  // which take at most a segment of words, raw bits included
constexpr uint32_t kRingBytes = 2 * kRingWords;
static_assert(kStepsPerRefill * 2 * 32 <= kSegmentWords);

// A thread block's shared memory in front of the tables; rings are aligned so that an offset can be or-ed.
struct alignas(512) Front {
  uint32_t rings[kWarps][kRingBytes / 4];
  uint8_t next_state[2 * kPlainStates];
  uint32_t next_tile;
};

// A lane of a tile at work.
struct Lane {
  uint32_t state, next;  // next: byte of the next word
  uint32_t lanes_below;
  const uint32_t* ring;

  // Words for the lanes whose state fell below its bound.
  __device__ void refill(bool active) {
    const bool wants = active && state < kLowerBound;
    const uint32_t wanting = __ballot_sync(kAllLanes, wants), at = next + 2 * __popc(wanting & lanes_below);
    const uint32_t word =
        *reinterpret_cast<const uint16_t*>(reinterpret_cast<const uint8_t*>(ring) + (at & (kRingBytes - 2)));
    if (wants) state = state << 16 | word;
    next += 2 * __popc(wanting);
  }
};

// What a step decoded: the number that is coded, whether it is spelled out behind the words, and where the path goes.
struct Symbol {
  int32_t half;
  bool escape;
  uint32_t branch;
};

__device__ inline Symbol step_in_shared(Lane& lane, const PlainTable& table, bool active) {
  const uint32_t slot = lane.state & (kSlots - 1), symbol = table.symbol_of_slot[slot], entry = table.symbols[symbol];
  const uint32_t state = (entry >> 8 & 0xFFF) * (lane.state >> 12) + slot - (entry >> 20);
  if (active) lane.state = state;
  lane.refill(active);
  return {static_cast<int8_t>(entry & 0xFF), symbol == kPlainEscape, entry & 1};
}

__device__ inline Symbol step_anywhere(Lane& lane, const Channel& table, bool active) {
  uint32_t symbol = 0, raw = 0;
  if (active) {
    const uint32_t entry = __ldg(table.slots + (lane.state & (kSlots - 1)));
    lane.state = (entry >> 8 & 0xFFF) * (lane.state >> 12) + (entry >> 20);
    symbol = entry & 0xFF;
  }
  lane.refill(active);
  const uint32_t shift = table.shift;
  if (__any_sync(kAllLanes, active && shift > 0)) {
    if (active) {
      raw = lane.state & ((1u << shift) - 1);
      lane.state >>= shift;
    }
    lane.refill(active);
  }
  const uint32_t offset = (symbol << shift) + raw;
  return {table.minimum + static_cast<int32_t>(offset), symbol == table.escape, offset & 1};
}

template <uint32_t kType>
struct Stored;
template <>
struct Stored<kF32> {
  using Type = float;
  static __device__ Type of(float v) { return saturate(v); }
};
template <>
struct Stored<kF16> {
  using Type = __half;
  static __device__ Type of(float v) { return __float2half_rn(fminf(fmaxf(v, -65504.0f), 65504.0f)); }
};
template <>
struct Stored<kBF16> {
  using Type = __nv_bfloat16;
  static __device__ Type of(float v) { return __float2bfloat16_rn(fminf(fmaxf(v, -3.38953139e38f), 3.38953139e38f)); }
};

// The whole tile; false if it is damaged. `side_end`: where its escapes end.
template <uint32_t kType>
__device__ inline bool decode_tile(const PlainDecoding& task, const Front& front, const PlainTable* tables,
                                   const Tile& tile, const Group& group, uint32_t* ring, uint32_t lane_number,
                                   uint32_t& side_end) {
  using To = Stored<kType>;
  constexpr uint32_t kLength = kPlainChunk;
  TileHead head;
  if (!open_tile(tile, lane_number, head)) return false;
  SideReader side{tile.bytes, head.side_at, tile.size};
  const uint8_t* const first_word = tile.bytes + head.words_at;
  WordStream words(ring, first_word, first_word + 2 * head.word_count, 0, lane_number);
  Lane lane{head.state, 0, (1u << lane_number) - 1, ring};
  for (uint32_t first = 0; first < tile.chunks; first += 32) {
    const uint32_t chunk = first + lane_number;
    const bool active = chunk < tile.chunks;
    const Place place = place_of(group, tile, active ? chunk : first, kLength);
    const int32_t of_column = group.column_classes[place.column];
    const float scale = group.scales[place.column];
    const int16_t* const of_rows = group.row_classes + place.row;
    const float* const factors = group.factors != nullptr ? group.factors + place.row : nullptr;
    const uint32_t rows = static_cast<uint32_t>(min(group.rows - place.row, uint64_t{kLength}));
    // Of these rows, those of the slice.
    const bool wanted = active && place.column >= group.column_begin && place.column < group.column_end;
    const uint32_t begin = !wanted ? kLength
                           : place.row >= group.row_begin
                               ? 0
                               : static_cast<uint32_t>(min(group.row_begin - place.row, uint64_t{kLength}));
    const uint32_t end =
        place.row >= group.row_end ? 0 : static_cast<uint32_t>(min(group.row_end - place.row, uint64_t{kLength}));
    typename To::Type* to = static_cast<typename To::Type*>(group.out) +
                            (static_cast<int64_t>(place.row) - static_cast<int64_t>(group.row_begin)) * group.row_step +
                            static_cast<int64_t>(place.column - group.column_begin) * group.column_step;
    uint32_t path = 0;
#pragma unroll 2
    for (uint32_t c = 0; c < kLength; ++c, to += group.row_step) {
      if (c % kStepsPerRefill == 0 && __any_sync(kAllLanes, words.filled - lane.next < 2 * kSegmentWords))
        words.refill(lane_number);
      const uint32_t odd = path & 1;
      const bool row_there = c < rows;
      int32_t of_class = row_there ? of_column + __ldg(of_rows + c) : 0;
      of_class = min(max(of_class, 0), static_cast<int32_t>(task.classes) - 1);
      const uint32_t near = active ? static_cast<uint32_t>(of_class) - task.first : task.any_near;
      const bool in_shared = near < 32 && (task.near >> near & 1) != 0;
      Symbol symbol;
      if (__all_sync(kAllLanes, in_shared)) {
        symbol = step_in_shared(lane, tables[2 * near + odd], active);
      } else {
        symbol = step_anywhere(lane, group.channels[static_cast<uint32_t>(of_class) + odd * task.classes], active);
      }
      float value = static_cast<float>(2 * symbol.half + static_cast<int32_t>(odd));
      for (uint32_t escaped = __ballot_sync(kAllLanes, active && symbol.escape); escaped != 0; escaped &= escaped - 1) {
        int32_t spelled;
        if (!side.escape(spelled)) return false;
        if (lane_number == static_cast<uint32_t>(__ffs(escaped)) - 1)
          value = static_cast<float>(int64_t{2} * spelled + odd);
      }
      path = front.next_state[2 * path + symbol.branch];
      if (c < begin || c >= end || !row_there) continue;
      *to = To::of(__fmul_rn(__fmul_rn(value, scale), factors != nullptr ? __ldg(factors + c) : 1.0f));
    }
  }
  side_end = side.at;
  return __all_sync(kAllLanes, lane.state == kLowerBound && lane.next == 2 * head.word_count);
}

__global__ void __launch_bounds__(32 * kWarps, 1)
    plain_decode_kernel(PlainDecoding task, const Tile* tiles, uint32_t tile_count, const Group* groups,
                        TileState* states, uint32_t* statuses) {
  extern __shared__ uint8_t memory[];
  const uint32_t wasted = (alignof(Front) - shared_address(memory) % alignof(Front)) % alignof(Front);
  Front& front = *reinterpret_cast<Front*>(memory + wasted);
  PlainTable* const tables = reinterpret_cast<PlainTable*>(memory + wasted + sizeof(Front));
  const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const uint32_t begin = static_cast<uint32_t>(uint64_t{tile_count} * blockIdx.x / gridDim.x),
                 end = static_cast<uint32_t>(uint64_t{tile_count} * (blockIdx.x + 1) / gridDim.x);
  constexpr uint32_t kPieces = sizeof(PlainTable) / 16;
  for (uint32_t i = threadIdx.x; i < task.count * 2 * kPieces; i += 32 * kWarps) {
    const uint32_t table = i / kPieces;
    const PlainTable& from = task.tables[task.first + table / 2 + table % 2 * task.classes];
    reinterpret_cast<uint4*>(tables + table)[i % kPieces] = __ldg(reinterpret_cast<const uint4*>(&from) + i % kPieces);
  }
  if (threadIdx.x < 2 * task.states) front.next_state[threadIdx.x] = task.next_state[threadIdx.x];
  if (threadIdx.x == 0) front.next_tile = begin + kWarps;
  __syncthreads();
  for (uint32_t number = begin + warp; number < end;) {
    const Tile tile = tiles[number];
    const Group& group = groups[tile.group];
    uint32_t side_end = 0;
    bool whole;
    if (group.dtype == kBF16)
      whole = decode_tile<kBF16>(task, front, tables, tile, group, front.rings[warp], lane, side_end);
    else if (group.dtype == kF16)
      whole = decode_tile<kF16>(task, front, tables, tile, group, front.rings[warp], lane, side_end);
    else
      whole = decode_tile<kF32>(task, front, tables, tile, group, front.rings[warp], lane, side_end);
    __syncwarp();
    if (lane == 0) {
      states[number].side = side_end;
      states[number].non_finite = 0;
      statuses[number] = whole ? kTileDecoded : kTileDamaged;
      number = atomicAdd(&front.next_tile, 1u);
    }
    number = __shfl_sync(kAllLanes, number, 0);
  }
}

}  // namespace

uint32_t plain_window(uint32_t shared_room) {
  const uint32_t front = sizeof(Front) + alignof(Front);
  const uint32_t fits = shared_room > front ? (shared_room - front) / (2 * sizeof(PlainTable)) : 0;
  return fits < 32 ? fits : 32;
}

int plain_decode(const PlainDecoding& task, const Tile* tiles, uint32_t tile_count, const Group* groups,
                 TileState* states, uint32_t* statuses, int multiprocessors, CUstream_st* stream) {
  if (tile_count == 0) return cudaSuccess;
  const auto bytes = static_cast<int>(alignof(Front) + sizeof(Front) + 2 * task.count * sizeof(PlainTable));
  if (const cudaError_t error =
          cudaFuncSetAttribute(plain_decode_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes))
    return error;
  const uint32_t blocks =
      tile_count < static_cast<uint32_t>(multiprocessors) ? tile_count : static_cast<uint32_t>(multiprocessors);
  plain_decode_kernel<<<blocks, 32 * kWarps, bytes, stream>>>(task, tiles, tile_count, groups, states, statuses);
  return cudaGetLastError();
}

}  // namespace nwc::cuda
