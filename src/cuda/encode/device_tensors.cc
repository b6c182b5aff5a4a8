#include "cuda/encode/device_tensors.h"

#include "cuda/decode/device_types.h"

namespace nwc::cuda {

Result<DeviceMemory> device_copy(std::span<const std::byte> bytes) {
  NWC_ASSIGN_OR_RETURN(DeviceMemory memory, DeviceMemory::of(bytes.size()));
  NWC_RETURN_IF_ERROR(
      checked(cudaMemcpy(memory.data(), bytes.data(), bytes.size(), cudaMemcpyHostToDevice), "copying to the device"));
  return memory;
}

Result<std::shared_ptr<const CudaWeightMatrix>> CudaWeightMatrix::of(const WeightMatrix& w) {
  auto matrix = std::make_shared<CudaWeightMatrix>();
  NWC_RETURN_IF_ERROR(checked(cudaGetDevice(&matrix->device_), "asking for the device"));
  NWC_ASSIGN_OR_RETURN(matrix->values_, device_copy(w.bytes));
  matrix->matrices_ = w.matrices;
  matrix->element_size_ = w.dtype == DType::kF32 ? 4 : 2;
  matrix->first_ = {matrix->values_.data(),
                    w.dtype == DType::kF32   ? kF32
                    : w.dtype == DType::kF16 ? kF16
                                             : kBF16,
                    w.transposed ? 1u : 0u, w.rows, w.columns};
  return std::shared_ptr<const CudaWeightMatrix>(std::move(matrix));
}

MatrixView CudaWeightMatrix::view(uint64_t matrix) const {
  MatrixView view = first_;
  view.values = values_.bytes() + matrix * view.rows * view.columns * element_size_;
  return view;
}

Result<std::vector<double>> CudaWeightMatrix::squares(Squares* body, uint64_t lines, uint64_t length,
                                                      std::span<const double> scales) const {
  NWC_RETURN_IF_ERROR(checked(cudaSetDevice(device_), "choosing a device"));
  std::vector<double> sums(matrices_ * lines);
  NWC_ASSIGN_OR_RETURN(const DeviceMemory scales_there, device_copy(std::as_bytes(scales)));
  NWC_ASSIGN_OR_RETURN(const DeviceMemory sums_there, DeviceMemory::of(sums.size() * sizeof(double)));
  for (uint64_t m = 0; m < matrices_; ++m) {
    const double* const own = scales.empty() ? nullptr : static_cast<const double*>(scales_there.data()) + m * length;
    NWC_RETURN_IF_ERROR(
        checked(body(view(m), own, static_cast<double*>(sums_there.data()) + m * lines, nullptr), "adding up squares"));
  }
  NWC_RETURN_IF_ERROR(
      checked(cudaMemcpy(sums.data(), sums_there.data(), sums.size() * sizeof(double), cudaMemcpyDeviceToHost),
              "adding up squares"));
  return sums;
}

Result<std::vector<double>> CudaWeightMatrix::squares_of_columns(std::span<const double> row_scales) const {
  return squares(cuda::squares_of_columns, first_.columns, first_.rows, row_scales);
}
Result<std::vector<double>> CudaWeightMatrix::squares_of_rows(std::span<const double> column_scales) const {
  return squares(cuda::squares_of_rows, first_.rows, first_.columns, column_scales);
}

}  // namespace nwc::cuda
