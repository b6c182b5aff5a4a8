// Matrices that stay compressed in a device's memory, in a layout made for products: two weights by one look-up. In the
// library nwcodec::cuda, which is built and installed, with this header, by NWCODEC_WITH_CUDA; nothing here needs the
// CUDA headers.
//
// The layout is made from a stream when it is loaded, never stored: it takes 8 % more bytes than the stream (13 % more
// for 576 x 576), loses nothing, and gives the same weights. It is for codecs with our trellis of 8 states.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "nwcodec/cuda.h"
#include "nwcodec/dtype.h"
#include "nwcodec/result.h"

namespace nwc {

// A matrix W [rows][columns] on one device. Owns its memory there. Immutable; threads share it.
class CudaMatrix {
 public:
  CudaMatrix(CudaMatrix&&) noexcept;
  CudaMatrix& operator=(CudaMatrix&&) noexcept;
  ~CudaMatrix();

  uint64_t rows() const;
  uint64_t columns() const;
  // Of device memory, tables that matrices share not counted.
  size_t device_bytes() const;

  // Enqueues the weights, [rows][columns] in F32, F16 or BF16, to `out` in device memory: the bits of the CPU's decoder
  // in each of these. Waits for nothing.
  Status decode(void* out, DType dtype, CUstream_st* stream) const;

  // Device memory that multiply() wants. Its bytes must be 0 before the first product; products of any matrices that
  // are enqueued one after another on one stream share it.
  size_t workspace_bytes() const;
  // Enqueues y[b][row] = sum over columns of W[row][column] x[b][column]: x is [batch][columns] in F32, F16 or BF16, y
  // [batch][rows] in F32, batch 1 to 16, all in device memory. Integers of weights are exact; x times a column's scale,
  // over the median of these, is rounded to binary16 and bounded to 2^18 (numbers that large belong to columns of small
  // scales, if these follow the inputs); sums are binary32. The relative error is that of activations in binary16. The
  // same numbers on every call and on devices of the same kind. Batches beyond 8 are faster by decode() and a product
  // of somebody else's.
  Status multiply(const void* x, DType dtype, float* y, uint32_t batch, void* workspace, CUstream_st* stream) const;

  struct State;  // the library's

 private:
  friend class CudaMatrices;
  explicit CudaMatrix(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Makes the matrices of one codec on one device; has the tables that they share, 200 KB for each of some ten ranges of
// scales. The decoder must outlive it, it its matrices. Threads share it.
class CudaMatrices {
 public:
  // Errors: kUnsupported (a codec without a trellis, or with another than ours of 8 states); kLimit (device memory).
  static Result<CudaMatrices> of(const CudaDecoder& decoder);
  CudaMatrices(CudaMatrices&&) noexcept;
  CudaMatrices& operator=(CudaMatrices&&) noexcept;
  ~CudaMatrices();

  // A whole tensor; its `out`, `dtype` and `slice` are not looked at, `device_stream` is not needed afterwards. Takes
  // up to 256 MB of device memory for the time being, and waits for the device. Every tile's checksum is checked if
  // `verify`. Errors: those of CudaBatch::plan() and check(); kUnsupported (more than one matrix, a transposed one, a
  // number of columns that is no multiple of 64, weights that are no integers times scales, too little shared memory:
  // keep the stream and decode it); kLimit (device memory).
  Result<CudaMatrix> make(const CudaTensor& tensor, bool verify, CUstream_st* stream) const;

  struct State;  // the library's

 private:
  explicit CudaMatrices(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace nwc
