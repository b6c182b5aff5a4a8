#include "libtorch/device.h"

#include <fmt/format.h>
#include <torch/cuda.h>

#include "base/device_name.h"
#include "libtorch/tensors.h"

namespace nwc {

Result<ModelDevice> open_device(std::string_view name, size_t local_rank) {
  NWC_ASSIGN_OR_RETURN(const DeviceName parsed, parse_device_name(name));
  if (!parsed.cuda) return ModelDevice{};
  if (!torch::cuda::is_available()) {
    return Error(ErrorCode::kUnsupported, fmt::format("the device {} is not available", name))
        .remedy(
            "choose cpu; a GPU needs its driver and a build against a LibTorch with CUDA (-DNWCODEC_WITH_CUDA=ON, "
            "CMAKE_PREFIX_PATH)");
  }
  const auto count = static_cast<int>(torch::cuda::device_count());
  const ModelDevice device{parsed.number_for(local_rank, count)};
  if (device.cuda >= count) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("the device {} is not there: CUDA devices go from 0 to {}", name, count - 1))
        .remedy("choose one of those, or cpu");
  }
  // Matrix products have it off by default, convolutions on.
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowTF32CuDNN(false);
  return device;
}

at::Tensor to_device(const at::Tensor& tensor, ModelDevice device) {
  if (device.is_cpu()) return tensor.cpu();
  return tensor.to(at::Device(at::kCUDA, static_cast<at::DeviceIndex>(device.cuda)));
}

}  // namespace nwc
