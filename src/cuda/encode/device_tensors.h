// Weights and factors in device memory. Private to src/encode/cuda.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "cuda/support/memory.h"
#include "cuda/encode/kernels.h"
#include "tensor/device.h"
#include "weights/weight_matrix.h"

namespace nwc::cuda {

// These bytes in memory of the current device.
Result<DeviceMemory> device_copy(std::span<const std::byte> bytes);

class CudaWeightMatrix : public DeviceWeights {
 public:
  // On the current device. Errors: kLimit without memory for it.
  static Result<std::shared_ptr<const CudaWeightMatrix>> of(const WeightMatrix& weights);

  Result<std::vector<double>> squares_of_columns(std::span<const double> row_scales) const override;
  Result<std::vector<double>> squares_of_rows(std::span<const double> column_scales) const override;
  MatrixView view(uint64_t matrix) const;

 private:
  using Squares = int(const MatrixView& matrix, const double* scales, double* sums, CUstream_st* stream);
  Result<std::vector<double>> squares(Squares* body, uint64_t lines, uint64_t length,
                                      std::span<const double> scales) const;

  int device_ = 0;
  DeviceMemory values_;
  uint64_t matrices_ = 0, element_size_ = 0;
  MatrixView first_{};
};

struct CudaFactor : DeviceFactor {
  DeviceMemory order;         // [columns]
  DeviceMemory coefficients;  // [columns][stride], by positions: L[j][k] in row j
  DeviceMemory pivots;        // [columns]
  uint64_t stride = 0;
};

}  // namespace nwc::cuda
