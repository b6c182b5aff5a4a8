#include "model/parameters/parameters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <span>

#include "base/parallel.h"
#include "checkpoint/quantised/packed_formats.h"
#include "libtorch/foreign.h"
#include "libtorch/tensors.h"
#include "model/parameters/mxfp4.h"

namespace nwc {
namespace {

// The two tensors that stand for `tensor` in MXFP4, or nothing if it cannot be stored so.
struct Mxfp4Tensors {
  TensorSpec blocks, scales;
};
std::optional<Mxfp4Tensors> in_mxfp4(const TensorSpec& tensor) {
  constexpr int64_t kWeights = kMxfp4Weights, kBytes = kMxfp4Bytes;
  if (tensor.shape.size() != 3 || tensor.shape[1] % kWeights != 0) return std::nullopt;
  const int64_t matrices = tensor.shape[0], rows = tensor.shape[2], blocks = tensor.shape[1] / kWeights;
  return Mxfp4Tensors{{tensor.name + "_blocks", {matrices, rows, blocks, kBytes}},
                      {tensor.name + "_scales", {matrices, rows, blocks}}};
}

bool is_stored_in_mxfp4(const Weights& weights, const TensorSpec& tensor) {
  return weights.find(tensor.name) == nullptr && in_mxfp4(tensor) && weights.find(tensor.name + "_blocks") != nullptr;
}

Status check_is_float(const Weights& weights, const TensorSpec& tensor) {
  const DType dtype = weights.find(tensor.name)->dtype;
  if (is_weight_dtype(dtype)) return {};
  return Error(ErrorCode::kUnsupported, fmt::format("is {}, from which no weights can be read", name_of(dtype)))
      .in_file(weights.directory().string())
      .in_tensor(tensor.name)
      .remedy("take the original checkpoint in BF16");
}

}  // namespace

Status WeightsSource::check_stored(const TensorSpec& tensor) const {
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

Status WeightsSource::check(const TensorSpec& tensor) const {
  if (!is_stored_in_mxfp4(weights_, tensor)) {
    Status status = check_stored(tensor);
    if (status) status = check_is_float(weights_, tensor);
    if (status) return status;
    // Weights that are packed have other names, shapes or dtypes; say so instead of what is missing.
    const Result<Checkpoint> checkpoint = Checkpoint::open(weights_.directory());
    if (!checkpoint) return status;
    if (std::optional<Error> packed = packed_weights_error(*checkpoint)) return *std::move(packed);
    return status;
  }
  const Mxfp4Tensors stored = *in_mxfp4(tensor);
  NWC_RETURN_IF_ERROR(check_stored(stored.blocks));
  return check_stored(stored.scales);
}

Result<at::Tensor> WeightsSource::load_mxfp4(const TensorSpec& tensor) const {
  const auto read = [&](const TensorSpec& part) -> Result<at::Tensor> {
    at::Tensor values = torch::empty(part.shape, torch::kUInt8);
    const std::span<uint8_t> out(values.data_ptr<uint8_t>(), static_cast<size_t>(values.numel()));
    NWC_RETURN_IF_ERROR(weights_.read(part.name, DType::kU8, std::as_writable_bytes(out), threads_));
    return values;
  };
  const Mxfp4Tensors stored = *in_mxfp4(tensor);
  NWC_ASSIGN_OR_RETURN(const at::Tensor blocks, read(stored.blocks));
  NWC_ASSIGN_OR_RETURN(const at::Tensor scales, read(stored.scales));
  at::Tensor values = torch::empty(tensor.shape, torch::kFloat32);
  const size_t rows = tensor.shape[2], columns = tensor.shape[1], weights = rows * columns;
  const uint8_t* all_blocks = blocks.data_ptr<uint8_t>();
  const uint8_t* all_scales = scales.data_ptr<uint8_t>();
  float* out = values.data_ptr<float>();
  NWC_RETURN_IF_ERROR(parallel_for(tensor.shape[0], threads_, [&](size_t matrix, int) -> Status {
    const size_t first = matrix * weights / kMxfp4Weights, count = weights / kMxfp4Weights;
    decode_mxfp4_transposed({all_blocks + first * kMxfp4Bytes, count * kMxfp4Bytes}, {all_scales + first, count}, rows,
                            columns, {out + matrix * weights, weights});
    return {};
  }));
  return values;
}

Result<at::Tensor> WeightsSource::load(const TensorSpec& tensor) const {
  NWC_RETURN_IF_ERROR(check(tensor));
  return catch_foreign("reading a tensor", [&]() -> Result<at::Tensor> {
    if (is_stored_in_mxfp4(weights_, tensor)) {
      NWC_ASSIGN_OR_RETURN(const at::Tensor values, load_mxfp4(tensor));
      return to_device(values, device_);
    }
    at::Tensor values = torch::empty(tensor.shape, torch::kFloat32);
    const std::span<float> out(values.data_ptr<float>(), static_cast<size_t>(values.numel()));
    NWC_RETURN_IF_ERROR(weights_.read(tensor.name, DType::kF32, std::as_writable_bytes(out), threads_));
    return to_device(values, device_);
  });
}

}  // namespace nwc
