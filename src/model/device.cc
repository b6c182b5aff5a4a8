#include "model/device.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <charconv>
#include <optional>

namespace nwc {
namespace {

constexpr std::string_view kCuda = "cuda";

// The device that a name means, whether or not there is one.
std::optional<ModelDevice> parse_device(std::string_view name) {
  if (name == "cpu") return ModelDevice{};
  if (!name.starts_with(kCuda)) return std::nullopt;
  name.remove_prefix(kCuda.size());
  if (name.empty()) return ModelDevice{0};
  ModelDevice device;
  // from_chars() would take a sign.
  const bool number = name.size() > 1 && name[0] == ':' && name[1] >= '0' && name[1] <= '9';
  if (!number) return std::nullopt;
  const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), device.cuda);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return device;
}

}  // namespace

Result<ModelDevice> open_device(std::string_view name) {
  const std::optional<ModelDevice> device = parse_device(name);
  if (!device) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no device", name))
        .remedy("choose cpu, cuda or cuda:NUMBER");
  }
  if (device->is_cpu()) return *device;
  if (!torch::cuda::is_available()) {
    return Error(ErrorCode::kUnsupported, fmt::format("the device {} is not available", name))
        .remedy("choose cpu; a GPU needs its driver and a build against a LibTorch with CUDA (-DNWCODEC_WITH_CUDA=ON, CMAKE_PREFIX_PATH)");
  }
  const auto count = static_cast<int>(torch::cuda::device_count());
  if (device->cuda >= count) {
    return Error(ErrorCode::kUnsupported, fmt::format("the device {} is not there: CUDA devices go from 0 to {}", name, count - 1))
        .remedy("choose one of those, or cpu");
  }
  // Matrix products have it off by default, convolutions on.
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowTF32CuDNN(false);
  return *device;
}

at::Tensor to_device(const at::Tensor& tensor, ModelDevice device) {
  if (device.is_cpu()) return tensor.cpu();
  return tensor.to(at::Device(at::kCUDA, static_cast<at::DeviceIndex>(device.cuda)));
}

}  // namespace nwc
