// Tensors whose file stores other numbers than those of their dtype: FP8 with scales, F64, and what is left of a tensor
// when another one is taken away from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"

namespace nwc {

// What is taken away from a tensor, weight by weight: what another checkpoint has under its name. Thread-safe.
class Subtrahend {
 public:
  virtual ~Subtrahend() = default;
  // Of the tensor in the other checkpoint (docs/format.md, section 9).
  virtual uint64_t identity() const = 0;
  // All weights, in the storage order of the tensor. Errors: those of reading them.
  virtual Status read(std::span<float> out, int threads) const = 0;
};

// How a TensorView's numbers are made from what its file stores. Points into the checkpoint's shards.
struct StoredFormat {
  DType dtype;                     // of the stored numbers: F8_E4M3, F8_E5M2 or F64
  uint64_t rows = 1, columns = 1;  // of each of the tensor's matrices, its last two dimensions
  // What the stored numbers are multiplied with; null if they stand for themselves. Each matrix has its own
  // [grid_rows, grid_columns], or all share one; a scale stands for block_rows by block_columns weights, fewer at the
  // edges.
  const TensorView* scales = nullptr;
  uint64_t grid_rows = 1, grid_columns = 1;
  uint64_t block_rows = 1, block_columns = 1;
  bool scales_per_matrix = false;
  // compressed-tensors multiplies in the scales' dtype; others in float32.
  bool rounds_products = false;
  // Of a difference, whose numbers are F32: the tensor as the checkpoint has it, and what is taken away from its
  // numbers. Then nothing above counts.
  std::shared_ptr<const TensorView> minuend = nullptr;
  std::shared_ptr<const Subtrahend> subtrahend = nullptr;
};

// The tensor of the checkpoint: of a difference, what something was taken away from.
inline const TensorView& original_of(const TensorView& tensor) {
  return tensor.stored != nullptr && tensor.stored->minuend != nullptr ? *tensor.stored->minuend : tensor;
}

// The format of FP8 weights and their scales. `blocks`: rows and columns that share a scale, if the checkpoint says so;
// where the scales have another number of rows and columns, the weights are divided evenly among them.
// Errors: kMismatch, kUnsupported for scales of another shape or dtype; they name the scales.
struct BlockSize {
  uint64_t rows, columns;
};
Result<StoredFormat> float8_format(const TensorView& weights, const TensorView* scales, const BlockSize* blocks);

// A tensor's numbers in its dtype, in the file's mapping or decoded.
struct TensorValues {
  std::span<const std::byte> bytes;
  std::shared_ptr<const std::vector<std::byte>> decoded;  // owns the bytes, if it is set
};

// Errors name the tensor: kCorrupt for a scale that is not finite, kUnsupported for an F64 beyond the range of F32,
// kLimit (out of memory).
Result<TensorValues> values_of(const TensorView& tensor, int threads);

// Rows [first, first + count) of the tensor, counted through all of its matrices, as `dtype` (F32, F16 or BF16; round
// to nearest even, what lies beyond its range becomes infinite), to `out`, which has their size. Precondition:
// tensor.stored is set. Errors as above.
Status decode_rows(const TensorView& tensor, uint64_t first, uint64_t count, DType dtype, std::span<std::byte> out,
                   int threads);

}  // namespace nwc
