// The encoder's device on CUDA: uploads, factors, and tensors to symbols.
#include "base/device_name.h"
#include "cuda/encode/device_weights.h"
#include "cuda/encode/quantiser.h"
#include "cuda/support/transfer.h"
#include "nwcodec/cuda.h"
#include "tensor/device.h"

namespace nwc {

using namespace cuda;

namespace {

class CudaEncodeDevice : public EncodeDevice {
 public:
  CudaEncodeDevice(int device, std::string name, uint64_t room_for_factors)
      : device_(device), name_(std::move(name)), room_for_factors_(room_for_factors) {}

  std::string name() const override { return name_; }

  Result<std::shared_ptr<const DeviceWeights>> upload(const WeightMatrix& weights) override {
    NWC_RETURN_IF_ERROR(choose());
    return UploadedWeights::of(weights);
  }

  Result<FeedbackFactor> factorise(std::span<const float> triangle, uint64_t n, std::vector<uint32_t> order,
                                   const LdlOptions& options) override {
    NWC_ASSIGN_OR_RETURN(const double mean, checked_diagonal_mean(triangle, n, order, options));
    NWC_RETURN_IF_ERROR(choose());
    NWC_RETURN_IF_ERROR(at_least(matrix_, n * n * sizeof(double)));
    NWC_RETURN_IF_ERROR(at_least(failed_, sizeof(uint32_t)));
    NWC_ASSIGN_OR_RETURN(const DeviceMemory lower, device_copy(std::as_bytes(triangle)));
    const uint64_t stride = (n + kCoefficientBlock - 1) / kCoefficientBlock * kCoefficientBlock;
    NWC_ASSIGN_OR_RETURN(DeviceMemory order_there, device_copy(std::as_bytes(std::span(order))));
    NWC_ASSIGN_OR_RETURN(DeviceMemory coefficients, DeviceMemory::of(n * stride * sizeof(float)));
    NWC_ASSIGN_OR_RETURN(DeviceMemory pivots, DeviceMemory::of(n * sizeof(double)));
    double* const a = as<double>(matrix_);
    FeedbackFactor factor{
        .columns = n, .block_size = options.block_size, .order = std::move(order), .pivots = std::vector<double>(n)};
    NWC_ASSIGN_OR_RETURN(
        factor.damping, damp_until(options.damping, [&](double damping) -> Result<bool> {
          uint32_t failed = 0;
          NWC_RETURN_IF_ERROR(checked(cudaMemset(failed_.data(), 0, sizeof failed), "factorising a Hessian"));
          NWC_RETURN_IF_ERROR(checked(
              place_hessian(as<const float>(lower), as<const uint32_t>(order_there), n, damping * mean, a, nullptr),
              "factorising a Hessian"));
          NWC_RETURN_IF_ERROR(checked(cholesky(a, n, as<uint32_t>(failed_), nullptr), "factorising a Hessian"));
          NWC_RETURN_IF_ERROR(checked(cudaMemcpy(&failed, failed_.data(), sizeof failed, cudaMemcpyDeviceToHost),
                                      "factorising a Hessian"));
          return failed == 0;
        }));
    NWC_RETURN_IF_ERROR(checked(
        feedback_coefficients(a, n, options.block_size, as<float>(coefficients), stride, as<double>(pivots), nullptr),
        "factorising a Hessian"));
    NWC_RETURN_IF_ERROR(
        checked(cudaMemcpy(factor.pivots.data(), pivots.data(), n * sizeof(double), cudaMemcpyDeviceToHost),
                "factorising a Hessian"));
    factor.coefficients = DeviceCoefficients{shared(std::move(coefficients)), shared(std::move(order_there)),
                                             shared(std::move(pivots)), stride};
    return factor;
  }

  uint64_t room_for_factors() const override { return room_for_factors_; }

  Result<std::shared_ptr<const DeviceQuantiser>> quantiser(const EncoderCodec& codec) override {
    NWC_RETURN_IF_ERROR(choose());
    return make_cuda_quantiser(codec, device_);
  }

 private:
  Status choose() const { return checked(cudaSetDevice(device_), "choosing a device"); }

  int device_;
  std::string name_;
  uint64_t room_for_factors_;
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
  NWC_RETURN_IF_ERROR(checked(cudaSetDevice(number), "choosing a device"));
  size_t free = 0, all = 0;
  NWC_RETURN_IF_ERROR(checked(cudaMemGetInfo(&free, &all), "asking the device"));
  // The rest is for a tensor at work, and for others.
  return std::unique_ptr<EncodeDevice>(std::make_unique<CudaEncodeDevice>(number, properties.name, free / 4));
}

}  // namespace nwc
