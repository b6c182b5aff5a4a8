#include "model/parameters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/torch.h>

#include <algorithm>
#include <span>

#include "model/foreign.h"

namespace nwc {

Status WeightsSource::check(const TensorSpec& tensor) const {
  const WeightInfo* info = weights_.find(tensor.name);
  if (info == nullptr) {
    return Error(ErrorCode::kNotFound, "is missing")
        .in_file(weights_.directory().string())
        .in_tensor(tensor.name)
        .remedy("check that config.json belongs to these weights");
  }
  if (!std::equal(info->shape.begin(), info->shape.end(), tensor.shape.begin(), tensor.shape.end(),
                  [](uint64_t stored, int64_t wanted) { return stored == static_cast<uint64_t>(wanted); })) {
    return Error(ErrorCode::kMismatch, fmt::format("has shape [{}] where config.json asks for [{}]",
                                                   fmt::join(info->shape, ", "), fmt::join(tensor.shape, ", ")))
        .in_file(weights_.directory().string())
        .in_tensor(tensor.name);
  }
  return {};
}

Result<at::Tensor> WeightsSource::load(const TensorSpec& tensor) const {
  NWC_RETURN_IF_ERROR(check(tensor));
  return catch_foreign("reading a tensor", [&]() -> Result<at::Tensor> {
    at::Tensor values = torch::empty(tensor.shape, torch::kFloat32);
    const std::span<float> out(values.data_ptr<float>(), static_cast<size_t>(values.numel()));
    NWC_RETURN_IF_ERROR(weights_.read(tensor.name, DType::kF32, std::as_writable_bytes(out), threads_));
    return values;
  });
}

}  // namespace nwc
