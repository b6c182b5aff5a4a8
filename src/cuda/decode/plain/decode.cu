// Codecs with a trellis in one kernel: rANS words in, weights out, nothing else through device memory.
//
// A warp decodes a tile, a lane one of its states, a chunk of 64 weights at a time. Shared memory has the tables of the
// classes that most weights have; a step of which a lane has another reads all from device memory. Rounds of 32 chunks
// that lie in one stripe of the slice go a short way, a shorter one if they need no other tables. Integer arithmetic up
// to the weight itself, so the bits are the CPU's.
#include <cuda_runtime.h>

#include "cuda/decode/kernels.h"
#include "cuda/decode/plain/rans_steps.cuh"
#include "cuda/decode/stored.cuh"
#include "cuda/decode/tile_access.cuh"
#include "cuda/decode/word_stream.cuh"
#include "cuda/support/ptx.cuh"

namespace nwc::cuda {
namespace {

constexpr uint32_t kWarps = 32;
// Between refills, which take a segment of words: a word a step and lane, two where there are raw bits.
constexpr uint32_t kNearSteps = 4, kFarSteps = 2;
static_assert(kNearSteps * 32 <= kSegmentWords && kFarSteps * 2 * 32 <= kSegmentWords);

// A row of the stripe at work.
struct alignas(8) Row {
  int32_t class_at;  // its class, in bytes of Places
  float factor;
};
// Shared addresses of a class's tables.
struct alignas(8) Places {
  uint32_t even, odd;
};

// A thread block's shared memory in front of the tables; rings are aligned so that an offset can be or-ed.
struct alignas(512) Front {
  uint32_t rings[kWarps][kRingBytes / 4];
  Row rows[kWarps][kPlainChunk + 1];  // the first again behind the last
  Places places[kPlainNear];
  uint8_t next_state[2][kPlainStates];  // by branch and state
  uint32_t next_tile;
};
static_assert(sizeof(Front) % 16 == 0);

// A tile at work.
struct Work {
  const PlainDecoding& task;
  const Front& front;
  const Group& group;
  Row* rows;  // of the warp
  uint32_t lane_number;
  SideReader side;
  WordStream words;
  Lane lane;

  // The integers of a step's escapes, in the order of lanes; false where the tile ends.
  __device__ bool spell_out(bool escape, uint32_t odd, float& value) {
    for (uint32_t escaped = __ballot_sync(kAllLanes, escape); escaped != 0; escaped &= escaped - 1) {
      int32_t spelled;
      if (!side.escape(spelled)) return false;
      if (lane_number == static_cast<uint32_t>(__ffs(escaped)) - 1)
        value = static_cast<float>(int64_t{2} * spelled + odd);
    }
    return true;
  }
};

// Which way a round of 32 chunks goes: its lanes anywhere, in one stripe, in one stripe with near tables only.
enum class Way : uint32_t { kAnywhere, kStripe, kNear };
struct Round {
  Place place;
  int32_t of_column;
  float scale;
};

// Unless it is kAnywhere, the rows of the stripe are in shared memory.
template <uint32_t kType>
__device__ inline Way way_of(Work& work, const Round& round, bool active) {
  const Group& group = work.group;
  const Place& place = round.place;
  const uint64_t row_of_first = __shfl_sync(kAllLanes, place.row, 0);
  const bool whole = active && place.column >= group.column_begin && place.column < group.column_end &&
                     place.row >= group.row_begin && place.row + kPlainChunk <= min(group.rows, group.row_end) &&
                     place.row == row_of_first;
  if (!__all_sync(kAllLanes, whole)) return Way::kAnywhere;
  int32_t classes[2];
  float factors[2];
  __syncwarp();
#pragma unroll
  for (uint32_t i = 0; i < 2; ++i) {
    const uint64_t row = place.row + 32 * i + work.lane_number;
    classes[i] = __ldg(group.row_classes + row);
    factors[i] = group.factors != nullptr ? __ldg(group.factors + row) : 1.0f;
    const Row here{classes[i] * static_cast<int32_t>(sizeof(Places)), factors[i]};
    work.rows[32 * i + work.lane_number] = here;
    if (i == 0 && work.lane_number == 0) work.rows[kPlainChunk] = here;
  }
  __syncwarp();
  const int32_t least = __reduce_min_sync(kAllLanes, min(classes[0], classes[1])),
                most = __reduce_max_sync(kAllLanes, max(classes[0], classes[1]));
  // Non-negative floats are ordered as their bits are.
  const float largest =
      __uint_as_float(__reduce_max_sync(kAllLanes, __float_as_uint(fmaxf(fabsf(factors[0]), fabsf(factors[1])))));
  const int32_t first = static_cast<int32_t>(work.task.first), end = first + static_cast<int32_t>(work.task.count);
  const bool near = round.of_column + least >= first && round.of_column + most < end &&
                    256 * fabsf(round.scale) * largest <= Stored<kType>::kMost;
  return __all_sync(kAllLanes, near) ? Way::kNear : Way::kStripe;
}

// A round in one stripe; false where the tile ends.
template <uint32_t kType, bool kNear>
__device__ inline bool decode_stripe(Work& work, const Round& round) {
  using To = Stored<kType>;
  constexpr uint32_t kSteps = kNear ? kNearSteps : kFarSteps;
  const Group& group = work.group;
  const int64_t step = group.row_step;
  typename To::Type* to = static_cast<typename To::Type*>(group.out) +
                          static_cast<int64_t>(round.place.row - group.row_begin) * step +
                          static_cast<int64_t>(round.place.column - group.column_begin) * group.column_step;
  const uint8_t* const places = reinterpret_cast<const uint8_t*>(work.front.places);
  const int32_t of_column =
      (round.of_column - static_cast<int32_t>(work.task.first)) * static_cast<int32_t>(sizeof(Places));
  // No place: a table elsewhere.
  const auto places_of = [&](const Row& row) {
    const uint32_t at = static_cast<uint32_t>(of_column + row.class_at);
    if (!kNear && at >= work.task.count * sizeof(Places)) return Places{0, 0};
    return *reinterpret_cast<const Places*>(places + static_cast<int32_t>(at));
  };
  Row row = work.rows[0];
  Places at = places_of(row);
  uint32_t path = 0, escaped[2] = {}, odd_there[2] = {};
#pragma unroll 1
  for (uint32_t first = 0; first < kPlainChunk; first += kSteps) {
    if (__any_sync(kAllLanes, work.words.filled - work.lane.next < 2 * kSegmentWords))
      work.words.refill(work.lane_number);
    uint32_t escapes = 0, odds = 0;
#pragma unroll
    for (uint32_t c = 0; c < kSteps; ++c, to += step) {
      // The next row ahead of the states, which wait for shared memory several times a step.
      const Row next_row = work.rows[first + c + 1];
      const Places next_at = places_of(next_row);
      const uint32_t odd = path & 1;
      Symbol symbol;
      if (kNear || __all_sync(kAllLanes, at.even != 0)) {
        symbol = step_near(work.lane, odd != 0 ? at.odd : at.even, odd, true);
      } else {
        const int32_t of_class = round.of_column + row.class_at / static_cast<int32_t>(sizeof(Places)),
                      last = static_cast<int32_t>(work.task.classes) - 1;
        symbol = step_far(work.lane,
                          group.channels[static_cast<uint32_t>(min(max(of_class, 0), last)) + odd * work.task.classes],
                          odd, true);
      }
      path = work.front.next_state[symbol.branch][path];
      const float weight = __fmul_rn(__fmul_rn(symbol.value, round.scale), row.factor);
      *to = kNear ? To::of(weight) : stored<kType>(weight);
      if (symbol.escape) {
        escapes |= 1u << c;
        odds |= odd << c;
      }
      row = next_row;
      at = next_at;
    }
    // Escapes are rare: they are spelled out behind the round.
    const uint32_t half = first / 32;
    escaped[half] |= escapes << first % 32;
    odd_there[half] |= odds << first % 32;
  }
  if (!__any_sync(kAllLanes, (escaped[0] | escaped[1]) != 0)) return true;
  for (uint32_t c = 0; c < kPlainChunk; ++c) {
    const bool here = (escaped[c / 32] >> c % 32 & 1) != 0;
    float value = 0;
    if (!work.spell_out(here, odd_there[c / 32] >> c % 32 & 1, value)) return false;
    if (here)
      to[(static_cast<int64_t>(c) - kPlainChunk) * step] =
          stored<kType>(__fmul_rn(__fmul_rn(value, round.scale), work.rows[c].factor));
  }
  return true;
}

// The same wherever the chunks lie, whatever their classes.
template <uint32_t kType>
__device__ inline bool decode_anywhere(Work& work, const Round& round, bool active) {
  using To = Stored<kType>;
  const Group& group = work.group;
  const Place& place = round.place;
  const PlainDecoding& task = work.task;
  const int16_t* const of_rows = group.row_classes + place.row;
  const float* const factors = group.factors != nullptr ? group.factors + place.row : nullptr;
  const uint32_t rows = static_cast<uint32_t>(min(group.rows - place.row, uint64_t{kPlainChunk}));
  // Of these rows, those of the slice.
  const bool wanted = active && place.column >= group.column_begin && place.column < group.column_end;
  const uint32_t begin = !wanted ? kPlainChunk
                         : place.row >= group.row_begin
                             ? 0
                             : static_cast<uint32_t>(min(group.row_begin - place.row, uint64_t{kPlainChunk}));
  const uint32_t end =
      place.row >= group.row_end ? 0 : static_cast<uint32_t>(min(group.row_end - place.row, uint64_t{kPlainChunk}));
  typename To::Type* to = static_cast<typename To::Type*>(group.out) +
                          (static_cast<int64_t>(place.row) - static_cast<int64_t>(group.row_begin)) * group.row_step +
                          static_cast<int64_t>(place.column - group.column_begin) * group.column_step;
  uint32_t path = 0;
#pragma unroll 1
  for (uint32_t c = 0; c < kPlainChunk; ++c, to += group.row_step) {
    if (c % kFarSteps == 0 && __any_sync(kAllLanes, work.words.filled - work.lane.next < 2 * kSegmentWords))
      work.words.refill(work.lane_number);
    const uint32_t odd = path & 1;
    const bool row_there = c < rows;
    int32_t of_class = row_there ? round.of_column + __ldg(of_rows + c) : 0;
    of_class = min(max(of_class, 0), static_cast<int32_t>(task.classes) - 1);
    const uint32_t near = active ? static_cast<uint32_t>(of_class) - task.first : 0;
    Symbol symbol;
    if (__all_sync(kAllLanes, near < task.count)) {
      const Places at = work.front.places[near];
      symbol = step_near(work.lane, odd != 0 ? at.odd : at.even, odd, active);
    } else {
      symbol = step_far(work.lane, group.channels[static_cast<uint32_t>(of_class) + odd * task.classes], odd, active);
    }
    if (!work.spell_out(active && symbol.escape, odd, symbol.value)) return false;
    path = work.front.next_state[symbol.branch][path];
    if (c < begin || c >= end || !row_there) continue;
    *to =
        stored<kType>(__fmul_rn(__fmul_rn(symbol.value, round.scale), factors != nullptr ? __ldg(factors + c) : 1.0f));
  }
  return true;
}

// The whole tile; false if it is damaged. `side_end`: where its escapes end.
template <uint32_t kType>
__device__ inline bool decode_tile(const PlainDecoding& task, Front& front, const Tile& tile, const Group& group,
                                   uint32_t warp, uint32_t lane_number, uint32_t& side_end) {
  TileHead head;
  if (!open_tile(tile, lane_number, head)) return false;
  const uint8_t* const first_word = tile.bytes + head.words_at;
  uint32_t* const ring = front.rings[warp];
  Work work{task,
            front,
            group,
            front.rows[warp],
            lane_number,
            SideReader{tile.bytes, head.side_at, tile.size},
            WordStream(ring, first_word, first_word + 2 * head.word_count, 0, lane_number),
            Lane{head.state, 0, (1u << lane_number) - 1, ring}};
  for (uint32_t first = 0; first < tile.chunks; first += 32) {
    const bool active = first + lane_number < tile.chunks;
    const Place place = place_of(group, tile, active ? first + lane_number : first, kPlainChunk);
    const Round round{place, group.column_classes[place.column], group.scales[place.column]};
    const Way way = way_of<kType>(work, round, active);
    const bool good = way == Way::kNear     ? decode_stripe<kType, true>(work, round)
                      : way == Way::kStripe ? decode_stripe<kType, false>(work, round)
                                            : decode_anywhere<kType>(work, round, active);
    if (!good) return false;
  }
  side_end = work.side.at;
  return __all_sync(kAllLanes, work.lane.state == kLowerBound && work.lane.next == 2 * head.word_count);
}

__global__ void __launch_bounds__(32 * kWarps, 1)
    plain_decode_kernel(PlainDecoding task, const Tile* tiles, uint32_t tile_count, const Group* groups,
                        TileState* states, uint32_t* statuses) {
  extern __shared__ uint8_t memory[];
  const uint32_t wasted = (alignof(Front) - shared_address(memory) % alignof(Front)) % alignof(Front);
  Front& front = *reinterpret_cast<Front*>(memory + wasted);
  uint32_t* const tables = reinterpret_cast<uint32_t*>(memory + wasted + sizeof(Front));
  const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const uint32_t begin = static_cast<uint32_t>(uint64_t{tile_count} * blockIdx.x / gridDim.x),
                 end = static_cast<uint32_t>(uint64_t{tile_count} * (blockIdx.x + 1) / gridDim.x);
  for (uint32_t i = threadIdx.x; i < task.words / 4; i += 32 * kWarps)
    reinterpret_cast<uint4*>(tables)[i] = __ldg(reinterpret_cast<const uint4*>(task.tables) + i);
  if (threadIdx.x < task.count) {
    const uint32_t place = task.places[threadIdx.x], first = shared_address(tables);
    front.places[threadIdx.x] = {first + 4 * (place & 0xFFFF), first + 4 * (place >> 16)};
  }
  if (threadIdx.x < 2 * task.states) front.next_state[threadIdx.x % 2][threadIdx.x / 2] = task.next_state[threadIdx.x];
  if (threadIdx.x == 0) front.next_tile = begin + kWarps;
  __syncthreads();
  for (uint32_t number = begin + warp; number < end;) {
    const Tile tile = tiles[number];
    const Group& group = groups[tile.group];
    uint32_t side_end = 0;
    bool whole;
    if (group.dtype == kBF16)
      whole = decode_tile<kBF16>(task, front, tile, group, warp, lane, side_end);
    else if (group.dtype == kF16)
      whole = decode_tile<kF16>(task, front, tile, group, warp, lane, side_end);
    else
      whole = decode_tile<kF32>(task, front, tile, group, warp, lane, side_end);
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

uint32_t plain_room(uint32_t shared_room) {
  const uint32_t front = sizeof(Front) + alignof(Front);
  return shared_room > front ? (shared_room - front) / 4 : 0;
}

int plain_decode(const PlainDecoding& task, const Tile* tiles, uint32_t tile_count, const Group* groups,
                 TileState* states, uint32_t* statuses, int multiprocessors, CUstream_st* stream) {
  if (tile_count == 0) return cudaSuccess;
  const auto bytes = static_cast<int>(alignof(Front) + sizeof(Front) + 4 * task.words);
  if (const cudaError_t error =
          cudaFuncSetAttribute(plain_decode_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes))
    return error;
  const uint32_t blocks =
      tile_count < static_cast<uint32_t>(multiprocessors) ? tile_count : static_cast<uint32_t>(multiprocessors);
  plain_decode_kernel<<<blocks, 32 * kWarps, bytes, stream>>>(task, tiles, tile_count, groups, states, statuses);
  return cudaGetLastError();
}

}  // namespace nwc::cuda
