// A tensor's weights in a CUDA device's memory.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cuda/encode/kernels.h"
#include "weights/device_weights.h"
#include "weights/weight_matrix.h"

namespace nwc::cuda {

// A matrix of `weights`, whose bytes stand at `values` in device memory.
MatrixView matrix_view(const WeightMatrix& weights, const void* values, uint64_t matrix);

class UploadedWeights : public DeviceWeights {
 public:
  // A copy on the current device. Errors: kLimit without memory for it.
  static Result<std::shared_ptr<const DeviceWeights>> of(const WeightMatrix& weights);

  Result<std::vector<double>> squares_of_columns(std::span<const double> row_scales) const override;
  Result<std::vector<double>> squares_of_rows(std::span<const double> column_scales) const override;

 private:
  UploadedWeights(const WeightMatrix& weights, DeviceBuffer values, int device);

  using Squares = int(const MatrixView& matrix, const double* scales, double* sums, CUstream_st* stream);
  Result<std::vector<double>> squares(Squares* body, uint64_t lines, uint64_t length,
                                      std::span<const double> scales) const;

  int device_;
  std::vector<MatrixView> matrices_;
  uint64_t rows_, columns_;
};

}  // namespace nwc::cuda
