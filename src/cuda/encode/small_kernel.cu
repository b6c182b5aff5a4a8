// Small codecs from weights to symbols in one kernel, with the cores' bits.
//
// Rows are independent, so a team of four warps takes a few stripes through all columns without synchronisation between
// thread blocks. Up to four teams share a multiprocessor's copy of the networks, in binary16 as codec files hold them.
// Within a network a thread is an output and sums over its inputs in ascending order; the sums of a LayerNorm run along
// the outputs, in one thread per chunk. A column takes a few microseconds, most of them the latency of those sums;
// feedback from earlier blocks of columns is added up 32 columns at a time beforehand.
#include <cuda_runtime.h>

#include "cuda/encode/feedback.cuh"
#include "cuda/encode/small_network.cuh"

namespace nwc::cuda {
namespace {

constexpr uint32_t kMostTeams = 4;
constexpr uint32_t kPlainStripes = 8;    // that a team has at a time without feedback
constexpr uint32_t kPlainColumns = 256;  // of a work item, likewise

// The columns of a block, by place.
template <uint32_t kStripes>
struct BlockBuffers {
  FeedbackTiles<kStripes> tiles;
  alignas(16) float coefficients[kColumnBlock][kColumnBlock];  // among the block's columns
  float targets[kColumnBlock][kChunk * kStripes + 4];          // errors, once a column is done
  float originals[kColumnBlock][kChunk * kStripes + 4];
  double pivots[kColumnBlock];
  float scales[kColumnBlock];
  uint32_t columns[kColumnBlock], levels[kColumnBlock];
};

template <uint32_t kStripes, bool kFeedback>
struct TeamBuffers;
template <uint32_t kStripes>
struct alignas(16) TeamBuffers<kStripes, true> {
  NetworkBuffers<kStripes> network;
  BlockBuffers<kStripes> block;
};
template <uint32_t kStripes>
struct alignas(16) TeamBuffers<kStripes, false> {
  NetworkBuffers<kStripes> network;
};

// The row of a thread below 16 * kStripes.
struct Row {
  uint32_t slot;
  bool there, inside;  // the stripe exists; and the row, in the matrix
  uint64_t row;
  float factor;
};
template <uint32_t kStripes>
__device__ inline Row row_of(const QuantiserTask& task, uint32_t first_slot, uint32_t thread) {
  Row r{first_slot + thread / kChunk, false, false, 0, 0.0f};
  r.there = thread < kChunk * kStripes && r.slot < task.slots;
  if (!r.there) return r;
  r.row = uint64_t{task.stripes[r.slot]} * kChunk + thread % kChunk;
  r.inside = r.row < task.matrix.rows;
  if (r.inside) r.factor = task.factors != nullptr ? task.factors[r.row] : 1.0f;
  return r;
}

// Sums of a team, in a fixed order; all its threads call it.
template <uint32_t kStripes>
__device__ inline void put_sums(const QuantiserTask& task, uint32_t item, NetworkBuffers<kStripes>& buffers,
                                uint32_t team, uint32_t thread, const double (&sums)[kSums]) {
  double* const all = reinterpret_cast<double*>(&buffers);  // [kTeam]
  static_assert(sizeof(buffers) >= kTeam * sizeof(double));
  for (uint32_t i = 0; i < kSums; ++i) {
    team_barrier(team);
    all[thread] = sums[i];
    team_barrier(team);
    if (thread != 0) continue;
    double sum = 0;
    for (uint32_t t = 0; t < kTeam; ++t) sum += all[t];
    task.sums[uint64_t{item} * kSums + i] = sum;
  }
  team_barrier(team);
}

template <uint32_t kStripes>
__device__ void with_feedback(const QuantiserTask& task, const uint8_t* image, const SmallCodecShape& shape,
                              const SmallCodecLayout& layout, TeamBuffers<kStripes, true>& buffers, uint32_t item,
                              uint32_t team, uint32_t thread) {
  const uint64_t n = task.matrix.columns;
  const Row row = row_of<kStripes>(task, item * kStripes, thread);
  uint32_t slots[kStripes];
#pragma unroll
  for (uint32_t s = 0; s < kStripes; ++s) slots[s] = item * kStripes + s;
  BlockBuffers<kStripes>& block = buffers.block;
  double sums[kSums] = {};
  for (uint64_t number = (n + kColumnBlock - 1) / kColumnBlock; number-- > 0;) {
    const uint64_t b0 = number * kColumnBlock, b1 = b0 + kColumnBlock < n ? b0 + kColumnBlock : n;
    const uint32_t width = static_cast<uint32_t>(b1 - b0);
    team_barrier(team);
    if (thread < width) {
      const uint32_t k = task.order[b0 + thread];
      block.columns[thread] = k;
      block.scales[thread] = task.scales[k];
      block.levels[thread] = task.levels != nullptr ? task.levels[k] : 0;
      block.pivots[thread] = task.block_size == 1 ? task.pivots[b0 + thread] : 0.0;
    }
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i) {
      const uint32_t at = thread + kTeam * i, j = at / 8;
      reinterpret_cast<float4*>(block.coefficients)[at] =
          j < width ? *reinterpret_cast<const float4*>(task.coefficients + (b0 + j) * task.stride + b0 + at % 8 * 4)
                    : make_float4(0, 0, 0, 0);
    }
    {
      float originals[4][kStripes], targets[4][kStripes];
      block_targets<kStripes>(task, slots, b0, b1, b1, block.tiles, team, thread, originals, targets);
#pragma unroll
      for (uint32_t q = 0; q < 4; ++q) {
#pragma unroll
        for (uint32_t s = 0; s < kStripes; ++s) {
          block.originals[thread / kChunk * 4 + q][s * kChunk + thread % kChunk] = originals[q][s];
          block.targets[thread / kChunk * 4 + q][s * kChunk + thread % kChunk] = targets[q][s];
        }
      }
    }
    team_barrier(team);
    for (uint32_t place = width; place-- > 0;) {
      const uint32_t column = block.columns[place], level = block.levels[place];
      const float scale = block.scales[place];
      float target = 0, chunk = 0;
      if (thread < kChunk * kStripes) {
        target = block.targets[place][thread];
        chunk = normalised(target, scale, row.factor);
        buffers.network.chunks[thread % kChunk][thread / kChunk] = chunk;
      }
      team_barrier(team);
      int32_t symbol = 0;
      float decoded = 0;
      quantise<kStripes>(image, shape, layout, level, buffers.network, team, thread, symbol, decoded);
      if (row.there) {
        task.symbols[(uint64_t{row.slot} * kChunk + thread % kChunk) * n + column] = symbol;
        const float threshold = reinterpret_cast<const float*>(image + layout.thresholds)[level];
        const Outcome outcome =
            settle(task, row.slot, column, thread % kChunk, row.inside, block.originals[place][thread], target, chunk,
                   decoded, scale, row.factor, threshold, block.pivots[place]);
        block.targets[place][thread] = outcome.error;
        task.errors[(uint64_t{row.slot} * n + b0 + place) * kChunk + thread % kChunk] = outcome.error;
        sums[0] += outcome.squared, sums[1] += outcome.normalised, sums[2] += outcome.power,
            sums[3] += outcome.weighted;
      }
      team_barrier(team);
      // Feedback to the block's remaining columns, except those of the same LDL block.
      const uint64_t own_block = (b0 + place) / task.block_size * task.block_size;
      const uint32_t limit = own_block > b0 ? static_cast<uint32_t>(own_block - b0) : 0;
      const uint32_t others = limit < place ? limit : place;
      for (uint32_t other = thread / kChunk; other < others; other += kTeam / kChunk) {
        const float c = block.coefficients[place][other];
#pragma unroll
        for (uint32_t s = 0; s < kStripes; ++s) {
          const uint32_t r = s * kChunk + thread % kChunk;
          block.targets[other][r] = block.targets[other][r] + c * block.targets[place][r];
        }
      }
      team_barrier(team);
    }
  }
  put_sums<kStripes>(task, item, buffers.network, team, thread, sums);
}

// Columns [begin, end), each on its own.
template <uint32_t kStripes>
__device__ void without_feedback(const QuantiserTask& task, const uint8_t* image, const SmallCodecShape& shape,
                                 const SmallCodecLayout& layout, TeamBuffers<kStripes, false>& buffers, uint32_t item,
                                 uint32_t first_slot, uint64_t begin, uint64_t end, uint32_t team, uint32_t thread) {
  const Row row = row_of<kStripes>(task, first_slot, thread);
  double sums[kSums] = {};
  const auto read = [&](uint64_t column) {
    return row.inside && column < end ? weight_at(task.matrix, row.row, column) : 0.0f;
  };
  float next = read(begin), next_scale = task.scales[begin];
  for (uint64_t column = begin; column < end; ++column) {
    const float original = next, scale = next_scale, chunk = normalised(original, scale, row.factor);
    const uint32_t level = task.levels != nullptr ? task.levels[column] : 0;
    if (column + 1 < end) next = read(column + 1), next_scale = task.scales[column + 1];
    if (thread < kChunk * kStripes) buffers.network.chunks[thread % kChunk][thread / kChunk] = chunk;
    team_barrier(team);
    int32_t symbol = 0;
    float decoded = 0;
    quantise<kStripes>(image, shape, layout, level, buffers.network, team, thread, symbol, decoded);
    if (!row.there) continue;
    task.symbols[(uint64_t{row.slot} * kChunk + thread % kChunk) * task.matrix.columns + column] = symbol;
    const float threshold = reinterpret_cast<const float*>(image + layout.thresholds)[level];
    const Outcome outcome = settle(task, row.slot, static_cast<uint32_t>(column), thread % kChunk, row.inside, original,
                                   original, chunk, decoded, scale, row.factor, threshold, 0.0);
    sums[0] += outcome.squared, sums[1] += outcome.normalised, sums[2] += outcome.power;
  }
  put_sums<kStripes>(task, item, buffers.network, team, thread, sums);
}

template <uint32_t kStripes, bool kFeedback>
__global__ void __launch_bounds__(kMostTeams* kTeam, 1)
    small_codec_kernel(QuantiserTask task, SmallCodecShape shape, SmallCodecLayout layout, const uint8_t* image,
                       uint32_t items) {
  extern __shared__ __align__(16) uint8_t memory[];
  for (uint32_t at = threadIdx.x * 16; at < layout.bytes; at += blockDim.x * 16)
    *reinterpret_cast<uint4*>(memory + at) = *reinterpret_cast<const uint4*>(image + at);
  __syncthreads();
  const uint32_t team = threadIdx.x / kTeam, thread = threadIdx.x % kTeam, teams = blockDim.x / kTeam;
  auto& buffers = reinterpret_cast<TeamBuffers<kStripes, kFeedback>*>(memory + layout.bytes)[team];
  const uint32_t stretches = static_cast<uint32_t>((task.matrix.columns + kPlainColumns - 1) / kPlainColumns);
  for (uint32_t item = blockIdx.x + team * gridDim.x; item < items; item += teams * gridDim.x) {
    if constexpr (kFeedback) {
      with_feedback<kStripes>(task, memory, shape, layout, buffers, item, team, thread);
    } else {
      const uint64_t begin = uint64_t{item % stretches} * kPlainColumns;
      const uint64_t end = begin + kPlainColumns < task.matrix.columns ? begin + kPlainColumns : task.matrix.columns;
      without_feedback<kStripes>(task, memory, shape, layout, buffers, item, item / stretches * kStripes, begin, end,
                                 team, thread);
    }
  }
}

template <uint32_t kStripes, bool kFeedback>
int launch(const QuantiserTask& task, SmallCodecShape shape, const uint8_t* image, uint32_t items,
           uint32_t wanted_teams, int multiprocessors, uint32_t shared_room, CUstream_st* stream) {
  const SmallCodecLayout layout = small_codec_layout(shape);
  constexpr uint32_t kTeamBytes = static_cast<uint32_t>(sizeof(TeamBuffers<kStripes, kFeedback>));
  const uint32_t room_for = (shared_room - layout.bytes) / kTeamBytes,
                 teams = wanted_teams < room_for ? wanted_teams : room_for;
  const uint32_t bytes = layout.bytes + teams * kTeamBytes;
  const auto kernel = small_codec_kernel<kStripes, kFeedback>;
  if (const cudaError_t error =
          cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)))
    return error;
  const uint32_t blocks =
      items < static_cast<uint32_t>(multiprocessors) ? items : static_cast<uint32_t>(multiprocessors);
  kernel<<<blocks, teams * kTeam, bytes, stream>>>(task, shape, layout, image, items);
  return cudaGetLastError();
}

// Stripes of a team with feedback: two where teams of one need more than one wave.
uint32_t feedback_stripes(const QuantiserTask& task, int multiprocessors) {
  return task.slots > static_cast<uint32_t>(multiprocessors) * kMostTeams ? 2 : 1;
}

}  // namespace

bool small_codec_fits(SmallCodecShape shape, uint32_t shared_room) {
  constexpr uint32_t kScratch =
      static_cast<uint32_t>(sizeof(TeamBuffers<2, true>) > sizeof(TeamBuffers<kPlainStripes, false>)
                                ? sizeof(TeamBuffers<2, true>)
                                : sizeof(TeamBuffers<kPlainStripes, false>));
  return shape.depth <= 64 && small_codec_layout(shape).bytes + kScratch <= shared_room;
}

uint32_t small_codec_items(const QuantiserTask& task, int multiprocessors) {
  if (task.order != nullptr) {
    const uint32_t stripes = feedback_stripes(task, multiprocessors);
    return (task.slots + stripes - 1) / stripes;
  }
  return (task.slots + kPlainStripes - 1) / kPlainStripes *
         static_cast<uint32_t>((task.matrix.columns + kPlainColumns - 1) / kPlainColumns);
}

int quantise_small_codec(const QuantiserTask& task, SmallCodecShape shape, const uint8_t* image, int multiprocessors,
                         uint32_t shared_room, CUstream_st* stream) {
  const uint32_t items = small_codec_items(task, multiprocessors);
  if (items == 0) return cudaSuccess;
  if (task.order == nullptr)
    return launch<kPlainStripes, false>(task, shape, image, items, kMostTeams, multiprocessors, shared_room, stream);
  const uint32_t each = (items - 1) / static_cast<uint32_t>(multiprocessors) + 1,
                 teams = each < kMostTeams ? each : kMostTeams;
  const auto run = feedback_stripes(task, multiprocessors) == 1 ? launch<1, true> : launch<2, true>;
  return run(task, shape, image, items, teams, multiprocessors, shared_room, stream);
}

}  // namespace nwc::cuda
