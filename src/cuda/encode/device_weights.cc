#include "cuda/encode/device_weights.h"

#include <utility>

#include "cuda/decode/device_types.h"
#include "cuda/support/transfer.h"

namespace nwc::cuda {

MatrixView matrix_view(const WeightMatrix& w, const void* values, uint64_t matrix) {
  const uint64_t element_size = w.dtype == DType::kF32 ? 4 : 2;
  return {static_cast<const std::byte*>(values) + matrix * w.rows * w.columns * element_size,
          w.dtype == DType::kF32   ? kF32
          : w.dtype == DType::kF16 ? kF16
                                   : kBF16,
          w.transposed ? 1u : 0u, w.rows, w.columns};
}

UploadedWeights::UploadedWeights(const WeightMatrix& weights, DeviceBuffer values, int device)
    : DeviceWeights(std::move(values)), device_(device), rows_(weights.rows), columns_(weights.columns) {
  for (uint64_t m = 0; m < weights.matrices; ++m)
    matrices_.push_back(matrix_view(weights, this->values().as<const void>(), m));
}

Result<std::shared_ptr<const DeviceWeights>> UploadedWeights::of(const WeightMatrix& weights) {
  int device = 0;
  NWC_RETURN_IF_ERROR(checked(cudaGetDevice(&device), "asking for the device"));
  NWC_ASSIGN_OR_RETURN(DeviceMemory values, device_copy(weights.bytes));
  return std::shared_ptr<const DeviceWeights>(new UploadedWeights(weights, shared(std::move(values)), device));
}

Result<std::vector<double>> UploadedWeights::squares(Squares* body, uint64_t lines, uint64_t length,
                                                     std::span<const double> scales) const {
  NWC_RETURN_IF_ERROR(checked(cudaSetDevice(device_), "choosing a device"));
  std::vector<double> sums(matrices_.size() * lines);
  NWC_ASSIGN_OR_RETURN(const DeviceMemory scales_there, device_copy(std::as_bytes(scales)));
  NWC_ASSIGN_OR_RETURN(const DeviceMemory sums_there, DeviceMemory::of(sums.size() * sizeof(double)));
  for (size_t m = 0; m < matrices_.size(); ++m) {
    const double* const own = scales.empty() ? nullptr : as<const double>(scales_there) + m * length;
    NWC_RETURN_IF_ERROR(
        checked(body(matrices_[m], own, as<double>(sums_there) + m * lines, nullptr), "adding up squares"));
  }
  NWC_RETURN_IF_ERROR(
      checked(cudaMemcpy(sums.data(), sums_there.data(), sums.size() * sizeof(double), cudaMemcpyDeviceToHost),
              "adding up squares"));
  return sums;
}

Result<std::vector<double>> UploadedWeights::squares_of_columns(std::span<const double> row_scales) const {
  return squares(cuda::squares_of_columns, columns_, rows_, row_scales);
}
Result<std::vector<double>> UploadedWeights::squares_of_rows(std::span<const double> column_scales) const {
  return squares(cuda::squares_of_rows, rows_, columns_, column_scales);
}

}  // namespace nwc::cuda
