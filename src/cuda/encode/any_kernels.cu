// Any codec from weights to symbols, in passes over some columns at a time; the networks run in between
// (cuda/decode/kernels.h).
#include <cuda_runtime.h>

#include "cuda/encode/feedback.cuh"
#include "cuda/encode/rounding.cuh"

namespace nwc::cuda {
namespace {

constexpr uint32_t kGatherStripes = 4;
constexpr uint32_t kThreads = 128;

// A team has four stripes and the columns of an aligned block of 32 positions, as far as they are in the batch.
__global__ void __launch_bounds__(kTeam) gather_kernel(QuantiserTask task, Batch batch, BatchBuffers buffers) {
  __shared__ FeedbackTiles<kGatherStripes> tiles;
  const uint64_t b0 = (batch.begin / kColumnBlock + uint64_t{blockIdx.y}) * kColumnBlock;
  const uint64_t b1 = b0 + kColumnBlock < batch.end ? b0 + kColumnBlock : batch.end;
  uint32_t slots[kGatherStripes];
#pragma unroll
  for (uint32_t s = 0; s < kGatherStripes; ++s) slots[s] = blockIdx.x * kGatherStripes + s;
  float originals[4][kGatherStripes], targets[4][kGatherStripes];
  block_targets<kGatherStripes>(task, slots, b0, b1, batch.end, tiles, 0, threadIdx.x, originals, targets);
  const uint32_t row = threadIdx.x % kChunk;
#pragma unroll
  for (uint32_t s = 0; s < kGatherStripes; ++s) {
    if (slots[s] >= task.slots) continue;
    const uint64_t r = uint64_t{task.stripes[slots[s]]} * kChunk + row;
    const float factor = r < task.matrix.rows ? (task.factors != nullptr ? task.factors[r] : 1.0f) : 0.0f;
#pragma unroll
    for (uint32_t q = 0; q < 4; ++q) {
      const uint64_t position = b0 + threadIdx.x / kChunk * 4 + q;
      if (position < batch.begin || position >= b1) continue;
      const float scale = task.scales[task.order != nullptr ? task.order[position] : position];
      const uint64_t at =
          batch.at[position - batch.begin] + uint64_t{row} * batch.stride[position - batch.begin] + slots[s];
      buffers.originals[at] = originals[q][s];
      buffers.targets[at] = targets[q][s];
      buffers.chunks[at] = normalised(targets[q][s], scale, factor);
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    round_kernel(QuantiserTask task, Batch batch, const float* centers, float* latents) {
  const uint32_t slot = blockIdx.x * kThreads + threadIdx.x;
  if (slot >= task.slots) return;
  const uint32_t place = blockIdx.y,
                 column = task.order != nullptr ? task.order[batch.begin + place] : batch.begin + place;
  const uint32_t level = task.levels != nullptr ? task.levels[column] : 0;
  float* z = latents + batch.at[place] + slot;
#pragma unroll
  for (uint32_t c = 0; c < kChunk; ++c, z += batch.stride[place]) {
    const float center = centers[level * kChunk + c], v = *z - center;
    const int32_t symbol = round_latent(v);
    task.symbols[(uint64_t{slot} * kChunk + c) * task.matrix.columns + column] = symbol;
    *z = static_cast<float>(symbol) + center;
  }
}

__global__ void __launch_bounds__(kThreads)
    finish_kernel(QuantiserTask task, Batch batch, const float* thresholds, BatchBuffers buffers) {
  __shared__ double all[kSums][kThreads];
  const uint32_t slot = blockIdx.x * kThreads + threadIdx.x, place = blockIdx.y;
  const uint64_t position = uint64_t{batch.begin} + place;
  const uint32_t column = task.order != nullptr ? task.order[position] : static_cast<uint32_t>(position);
  double sums[kSums] = {};
  if (slot < task.slots) {
    const float scale = task.scales[column], threshold = thresholds[task.levels != nullptr ? task.levels[column] : 0];
    const double pivot = task.order != nullptr && task.block_size == 1 ? task.pivots[position] : 0.0;
    const uint64_t first = uint64_t{task.stripes[slot]} * kChunk;
    uint64_t at = batch.at[place] + slot;
    for (uint32_t row = 0; row < kChunk; ++row, at += batch.stride[place]) {
      const bool inside = first + row < task.matrix.rows;
      const float factor = inside ? (task.factors != nullptr ? task.factors[first + row] : 1.0f) : 0.0f;
      const Outcome outcome = settle(task, slot, column, row, inside, buffers.originals[at], buffers.targets[at],
                                     buffers.chunks[at], buffers.decoded[at], scale, factor, threshold, pivot);
      if (task.errors != nullptr)
        task.errors[(uint64_t{slot} * task.matrix.columns + position) * kChunk + row] = outcome.error;
      sums[0] += outcome.squared, sums[1] += outcome.normalised, sums[2] += outcome.power, sums[3] += outcome.weighted;
    }
  }
#pragma unroll
  for (uint32_t i = 0; i < kSums; ++i) all[i][threadIdx.x] = sums[i];
  __syncthreads();
  if (threadIdx.x >= kSums) return;
  double sum = 0;
  for (uint32_t t = 0; t < kThreads; ++t) sum += all[threadIdx.x][t];
  task.sums[(uint64_t{blockIdx.y} * gridDim.x + blockIdx.x) * kSums + threadIdx.x] += sum;
}

uint32_t blocks_of(uint64_t items, uint32_t each) { return static_cast<uint32_t>((items + each - 1) / each); }

}  // namespace

int gather_targets(const QuantiserTask& task, const Batch& batch, const BatchBuffers& buffers, CUstream_st* stream) {
  if (task.slots == 0 || batch.begin >= batch.end) return cudaSuccess;
  const uint32_t blocks = (batch.end - 1) / kColumnBlock - batch.begin / kColumnBlock + 1;
  gather_kernel<<<dim3(blocks_of(task.slots, kGatherStripes), blocks), kTeam, 0, stream>>>(task, batch, buffers);
  return cudaGetLastError();
}

int round_latents(const QuantiserTask& task, const Batch& batch, const float* centers, float* latents,
                  CUstream_st* stream) {
  if (task.slots == 0 || batch.begin >= batch.end) return cudaSuccess;
  round_kernel<<<dim3(blocks_of(task.slots, kThreads), batch.end - batch.begin), kThreads, 0, stream>>>(
      task, batch, centers, latents);
  return cudaGetLastError();
}

uint32_t finish_items(uint32_t slots, uint32_t columns) { return blocks_of(slots, kThreads) * columns; }

int finish_columns(const QuantiserTask& task, const Batch& batch, const float* thresholds, const BatchBuffers& buffers,
                   CUstream_st* stream) {
  if (task.slots == 0 || batch.begin >= batch.end) return cudaSuccess;
  finish_kernel<<<dim3(blocks_of(task.slots, kThreads), batch.end - batch.begin), kThreads, 0, stream>>>(
      task, batch, thresholds, buffers);
  return cudaGetLastError();
}

}  // namespace nwc::cuda
