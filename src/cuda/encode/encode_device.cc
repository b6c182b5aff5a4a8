// The encoder's device on CUDA: uploads, factors, and tensors to symbols.
#include "base/device_name.h"
#include "cuda/encode/device_tensors.h"
#include "cuda/encode/quantiser.h"
#include "cuda/support/memory.h"
#include "nwcodec/cuda.h"
#include "tensor/device.h"

namespace nwc {

using namespace cuda;

namespace {

class CudaEncodeDevice : public EncodeDevice {
 public:
  CudaEncodeDevice(int device, std::string name) : device_(device), name_(std::move(name)) {}

  std::string name() const override { return name_; }

  Result<std::shared_ptr<const DeviceWeights>> upload(const WeightMatrix& weights) override {
    NWC_RETURN_IF_ERROR(choose());
    NWC_ASSIGN_OR_RETURN(std::shared_ptr<const CudaWeightMatrix> uploaded, CudaWeightMatrix::of(weights));
    return std::shared_ptr<const DeviceWeights>(std::move(uploaded));
  }

  Result<FeedbackFactor> factorise(std::span<const float> triangle, uint64_t n, std::vector<uint32_t> order,
                                   const LdlOptions& options) override {
    NWC_ASSIGN_OR_RETURN(const double mean, checked_diagonal_mean(triangle, n, order, options));
    NWC_RETURN_IF_ERROR(choose());
    NWC_RETURN_IF_ERROR(at_least(matrix_, n * n * sizeof(double)));
    NWC_RETURN_IF_ERROR(at_least(failed_, sizeof(uint32_t)));
    NWC_ASSIGN_OR_RETURN(const DeviceMemory lower, device_copy(std::as_bytes(triangle)));
    auto made = std::make_shared<CudaFactor>();
    made->stride = (n + kCoefficientBlock - 1) / kCoefficientBlock * kCoefficientBlock;
    NWC_ASSIGN_OR_RETURN(made->order, device_copy(std::as_bytes(std::span(order))));
    NWC_ASSIGN_OR_RETURN(made->coefficients, DeviceMemory::of(n * made->stride * sizeof(float)));
    NWC_ASSIGN_OR_RETURN(made->pivots, DeviceMemory::of(n * sizeof(double)));
    double* const a = static_cast<double*>(matrix_.data());
    FeedbackFactor factor{
        .columns = n, .block_size = options.block_size, .order = std::move(order), .pivots = std::vector<double>(n)};
    NWC_ASSIGN_OR_RETURN(
        factor.damping, damp_until(options.damping, [&](double damping) -> Result<bool> {
          uint32_t failed = 0;
          NWC_RETURN_IF_ERROR(checked(cudaMemset(failed_.data(), 0, sizeof failed), "factorising a Hessian"));
          NWC_RETURN_IF_ERROR(
              checked(place_hessian(static_cast<const float*>(lower.data()),
                                    static_cast<const uint32_t*>(made->order.data()), n, damping * mean, a, nullptr),
                      "factorising a Hessian"));
          NWC_RETURN_IF_ERROR(
              checked(cholesky(a, n, static_cast<uint32_t*>(failed_.data()), nullptr), "factorising a Hessian"));
          NWC_RETURN_IF_ERROR(checked(cudaMemcpy(&failed, failed_.data(), sizeof failed, cudaMemcpyDeviceToHost),
                                      "factorising a Hessian"));
          return failed == 0;
        }));
    NWC_RETURN_IF_ERROR(
        checked(feedback_coefficients(a, n, options.block_size, static_cast<float*>(made->coefficients.data()),
                                      made->stride, static_cast<double*>(made->pivots.data()), nullptr),
                "factorising a Hessian"));
    NWC_RETURN_IF_ERROR(
        checked(cudaMemcpy(factor.pivots.data(), made->pivots.data(), n * sizeof(double), cudaMemcpyDeviceToHost),
                "factorising a Hessian"));
    factor.on_device = std::move(made);
    return factor;
  }

  Result<std::shared_ptr<const DeviceQuantiser>> quantiser(const EncoderCodec& codec) override {
    NWC_RETURN_IF_ERROR(choose());
    return make_cuda_quantiser(codec, device_);
  }

 private:
  Status choose() const { return checked(cudaSetDevice(device_), "choosing a device"); }

  int device_;
  std::string name_;
  DeviceMemory matrix_, failed_;
};

}  // namespace

Result<std::unique_ptr<EncodeDevice>> open_encode_device(const std::string& device, size_t local_rank) {
  NWC_ASSIGN_OR_RETURN(const DeviceName name, parse_device_name(device));
  if (!name.cuda) return std::unique_ptr<EncodeDevice>();
  const int count = cuda_device_count(), number = name.number_for(local_rank, count);
  if (number >= count) {
    return Error(ErrorCode::kUnsupported,
                 "the device " + device + " is not there: this machine has " + std::to_string(count) + " CUDA devices")
        .remedy("choose one of those, or cpu");
  }
  cudaDeviceProp properties{};
  NWC_RETURN_IF_ERROR(checked(cudaGetDeviceProperties(&properties, number), "asking the device"));
  if (properties.major < 8) {
    return Error(ErrorCode::kUnsupported,
                 "CUDA device " + std::to_string(number) + " is older than compute capability 8.0")
        .remedy("choose cpu");
  }
  return std::unique_ptr<EncodeDevice>(std::make_unique<CudaEncodeDevice>(number, properties.name));
}

}  // namespace nwc
