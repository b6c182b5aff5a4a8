// Weights to the cells of a matrix that stays in a device's memory (layout.h), a warp for each.
#include <cuda_runtime.h>

#include "cuda/matrix/kernels.h"
#include "cuda/matrix/pair_reader.cuh"

namespace nwc::cuda {
namespace {

constexpr uint32_t kPackWarps = 4;
constexpr uint32_t kSide = kMostMagnitude + 1;

// A lane's bits, from a bit of the cell's words on, which are 0 before.
struct LaneWriter {
  uint32_t* words;  // null: bits are only counted
  uint32_t at;
  uint32_t pending = 0;  // what of the word at work is known
  __device__ void put(uint32_t value, uint32_t length) {
    const uint32_t shift = at % 32, word = at / 32;
    at += length;
    if (words == nullptr) return;
    pending |= value << shift;
    if (shift + length < 32) return;
    // Lanes share words where one's bits end and the other's begin.
    atomicOr(words + word, pending);
    pending = shift == 0 ? 0 : value >> (32 - shift);
  }
  __device__ void end() const {
    if (words != nullptr && pending != 0) atomicOr(words + at / 32, pending);
  }
};

struct Integer {
  int32_t value;
  bool there;  // the weight is this integer times its scales
};

// `odd`: of any integer that makes the weight where a scale is 0.
__device__ inline Integer integer_of(float weight, float scale, float factor, uint32_t odd) {
  const double both = static_cast<double>(scale) * factor;
  if (both == 0) return {static_cast<int32_t>(odd), weight == 0};
  const double quotient = rint(weight / both);
  if (!(fabs(quotient) < 1 << 22)) return {0, false};
  const int32_t value = static_cast<int32_t>(quotient);
  return {value, __fmul_rn(__fmul_rn(static_cast<float>(value), scale), factor) == weight &&
                     static_cast<uint32_t>(value & 1) == odd};
}

template <bool kWrite>
__global__ void __launch_bounds__(32 * kPackWarps)
    pack_kernel(PairedMatrix matrix, const PairTables* encode, const float* weights, uint32_t first_stripe,
                uint32_t end_stripe, MatrixCell* cells, uint32_t* words, Correction* corrections, uint32_t* failed) {
  const uint32_t lane = threadIdx.x % 32, number = blockIdx.x * kPackWarps + threadIdx.x / 32,
                 stripe = first_stripe + number / matrix.windows, window = number % matrix.windows * kWindow;
  if (stripe >= end_stripe) return;
  MatrixCell& cell = cells[uint64_t{stripe} * matrix.windows + window / kWindow];
  LaneWriter writer{nullptr, 0};
  if (kWrite) {
    writer.words = words + 4 * uint64_t{cell.first_quad};
    for (uint32_t l = 0; l < lane; ++l) writer.at += uint32_t{cell.least} + cell.more[l];
  }
  uint32_t correction_count = 0;
  const uint32_t below = (1u << lane) - 1;
  bool good = true;
  const uint32_t pair = matrix.pairs[window / 2 + lane];
  const uint32_t columns[2] = {window + (pair & 0xFF), window + (pair >> 8)};
  const float scales[2] = {matrix.scales[columns[0]], matrix.scales[columns[1]]};
  const uint32_t of_column = matrix.column_classes[columns[0]];
  PairPaths paths;
  for (uint32_t r = 0; r < kCellRows; ++r) {
    const uint32_t row = stripe * kCellRows + r;
    const float factor = matrix.factors[row];
    const uint32_t odd[2] = {paths.odd >> 5 & 1, paths.odd >> 21 & 1};
    uint32_t magnitudes[2], signs[2];
    Integer integers[2];
    bool far = false;
    for (uint32_t i = 0; i < 2; ++i) {
      const bool inside = row < matrix.rows;
      const float weight =
          inside ? weights[(uint64_t{stripe - first_stripe} * kCellRows + r) * matrix.columns + columns[i]] : 0.0f;
      integers[i] =
          inside ? integer_of(weight, scales[i], factor, odd[i]) : Integer{static_cast<int32_t>(odd[i]), true};
      good = good && integers[i].there;
      signs[i] = integers[i].value < 0 ? 1 : 0;
      magnitudes[i] = (static_cast<uint32_t>(abs(integers[i].value)) - odd[i]) / 2;
      far = far || magnitudes[i] > kMostMagnitude;
    }
    const uint16_t* const codes = encode->of[odd[0]][(of_column + matrix.row_classes[row]) >> 12][odd[1]];
    uint32_t code = far ? 0 : codes[magnitudes[0] * kSide + magnitudes[1]];
    // Without a code one of them, or both, give way to a small one of the same branch.
    uint32_t corrects = 0;
    Correction wrong[2];
    if (code == 0) {
      const uint32_t small[2] = {static_cast<uint32_t>(integers[0].value >> 1 & 1),
                                 static_cast<uint32_t>(integers[1].value >> 1 & 1)};
      uint32_t instead[2];
      while (code == 0) {  // both are small in the end
        ++corrects;
        for (uint32_t i = 0; i < 2; ++i) instead[i] = (corrects >> i & 1) != 0 ? small[i] : magnitudes[i];
        if (instead[0] <= kMostMagnitude && instead[1] <= kMostMagnitude) code = codes[instead[0] * kSide + instead[1]];
      }
      for (uint32_t i = 0; i < 2; ++i) {
        if ((corrects >> i & 1) == 0) continue;
        magnitudes[i] = instead[i];
        signs[i] = 0;
        const float value = static_cast<float>(integers[i].value);
        wrong[i] = {columns[i], r, value, value - static_cast<float>(2 * magnitudes[i] + odd[i])};
      }
    }
    // In the order of lanes, that of the first weight first.
    for (uint32_t i = 0; i < 2; ++i) {
      const bool here = (corrects >> i & 1) != 0;
      const uint32_t correcting = __ballot_sync(0xFFFFFFFFu, here);
      if (kWrite && here) corrections[cell.first_correction + correction_count + __popc(correcting & below)] = wrong[i];
      correction_count += __popc(correcting);
    }
    writer.put(code & (kPairTable - 1), code >> kPairIndexBits);
    for (uint32_t i = 0; i < 2; ++i) {
      if (magnitudes[i] > 0 || odd[i] != 0) writer.put(signs[i], 1);
    }
    paths.go_on(magnitudes[0] << 5 | magnitudes[1] << 21, signs[0] << 5 | signs[1] << 21);
  }
  if (kWrite) {
    writer.end();
    return;
  }
  if (!__all_sync(0xFFFFFFFFu, good) && lane == 0) *failed = 1;
  // Lanes with far fewer bits than the longest are filled up with what nobody reads.
  const uint32_t most = __reduce_max_sync(0xFFFFFFFFu, writer.at),
                 least = max(__reduce_min_sync(0xFFFFFFFFu, writer.at), most > 255 ? most - 255 : 0);
  const uint32_t bits = max(writer.at, least), all = __reduce_add_sync(0xFFFFFFFFu, bits);
  cell.more[lane] = static_cast<uint8_t>(bits - least);
  if (lane != 0) return;
  cell.least = static_cast<uint16_t>(least);
  cell.words = static_cast<uint16_t>((all + 31) / 32);
  cell.corrections = static_cast<uint16_t>(correction_count);
}

uint32_t blocks_of(const PairedMatrix& matrix, uint32_t first_stripe, uint32_t end_stripe) {
  return ((end_stripe - first_stripe) * matrix.windows + kPackWarps - 1) / kPackWarps;
}

}  // namespace

int count_cells(const PairedMatrix& matrix, const PairTables* encode, const float* weights, uint32_t first_stripe,
                uint32_t end_stripe, MatrixCell* cells, uint32_t* failed, CUstream_st* stream) {
  pack_kernel<false><<<blocks_of(matrix, first_stripe, end_stripe), 32 * kPackWarps, 0, stream>>>(
      matrix, encode, weights, first_stripe, end_stripe, cells, nullptr, nullptr, failed);
  return cudaGetLastError();
}

int write_cells(const PairedMatrix& matrix, const PairTables* encode, const float* weights, uint32_t first_stripe,
                uint32_t end_stripe, MatrixCell* cells, uint32_t* words, Correction* corrections, CUstream_st* stream) {
  pack_kernel<true><<<blocks_of(matrix, first_stripe, end_stripe), 32 * kPackWarps, 0, stream>>>(
      matrix, encode, weights, first_stripe, end_stripe, cells, words, corrections, nullptr);
  return cudaGetLastError();
}

}  // namespace nwc::cuda
