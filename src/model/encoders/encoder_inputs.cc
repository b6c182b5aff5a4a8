#include "model/encoders/encoder_inputs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <cstring>

#include "base/bytes.h"
#include "base/hash.h"
#include "decode/weight_store.h"
#include "libtorch/tensors.h"

namespace nwc {
namespace {

constexpr const char* kPixels = "pixel_values";
constexpr const char* kIds = "input_ids";
constexpr const char* kLabels = "label_embeds";

Error wrong(ErrorCode code, const SafetensorsFile& file, const TensorView& tensor, std::string message) {
  return Error(code, std::move(message)).in_file(file.path().string()).in_tensor(tensor.name);
}

// Of the first dimension.
uint64_t item_bytes(const TensorView& tensor) { return tensor.bytes.size() / tensor.shape[0]; }

at::Tensor floats_of(const TensorView& tensor, int64_t first, int64_t count) {
  std::vector<int64_t> shape(tensor.shape.begin(), tensor.shape.end());
  shape[0] = count;
  at::Tensor values = torch::empty(shape, torch::kFloat32);
  const std::span<float> out(values.data_ptr<float>(), static_cast<size_t>(values.numel()));
  const uint64_t item = item_bytes(tensor);
  convert_floats(tensor.dtype,
                 tensor.bytes.subspan(static_cast<uint64_t>(first) * item, static_cast<uint64_t>(count) * item),
                 DType::kF32, std::as_writable_bytes(out));
  return values;
}

at::Tensor ids_of(const TensorView& tensor, int64_t first, int64_t count) {
  const auto length = static_cast<int64_t>(tensor.shape[1]);
  at::Tensor ids = torch::empty({count, length}, torch::kInt64);
  int64_t* const out = ids.data_ptr<int64_t>();
  for (int64_t i = 0; i < count * length; ++i) {
    const auto at = static_cast<uint64_t>(first * length + i);
    out[i] = tensor.dtype == DType::kI64 ? load_le<int64_t>(tensor.bytes.data() + 8 * at)
                                         : load_le<int32_t>(tensor.bytes.data() + 4 * at);
  }
  return ids;
}

Status check_floats(const SafetensorsFile& file, const TensorView& tensor, size_t dimensions) {
  if (!is_weight_dtype(tensor.dtype))
    return wrong(ErrorCode::kMismatch, file, tensor,
                 fmt::format("has dtype {}; F32, F16 or BF16 are read", name_of(tensor.dtype)));
  if (tensor.shape.size() != dimensions || tensor.bytes.empty()) {
    return wrong(ErrorCode::kMismatch, file, tensor,
                 fmt::format("has shape [{}]; {} dimensions and at least one element are needed",
                             fmt::join(tensor.shape, ", "), dimensions));
  }
  for (uint64_t i = 0; i < tensor.shape[0]; ++i) {
    if (!floats_of(tensor, static_cast<int64_t>(i), 1).isfinite().all().item<bool>()) {
      return wrong(ErrorCode::kNonFinite, file, tensor, fmt::format("holds a value that is not finite, in row {}", i));
    }
  }
  return {};
}

Status check_pixels(const SafetensorsFile& file, const TensorView& tensor, const PatchInputSpec& input) {
  NWC_RETURN_IF_ERROR(check_floats(file, tensor, 4));
  const auto channels = static_cast<uint64_t>(input.projection.shape[1]),
             patch = static_cast<uint64_t>(input.projection.shape[2]), side = static_cast<uint64_t>(input.image_size);
  const uint64_t height = tensor.shape[2], width = tensor.shape[3];
  if (tensor.shape[1] != channels)
    return wrong(ErrorCode::kMismatch, file, tensor,
                 fmt::format("has {} channels, the model takes {}", tensor.shape[1], channels));
  if (input.resize_positions && (height < patch || width < patch)) {
    return wrong(ErrorCode::kMismatch, file, tensor,
                 fmt::format("has images of {} x {}, smaller than a patch of {} x {}", height, width, patch, patch));
  }
  if (!input.resize_positions && (height != side || width != side)) {
    return wrong(ErrorCode::kMismatch, file, tensor,
                 fmt::format("has images of {} x {}, the model takes {} x {}", height, width, side, side));
  }
  return {};
}

Status check_ids(const SafetensorsFile& file, const TensorView& tensor, const TokenInputSpec& input) {
  if (tensor.dtype != DType::kI64 && tensor.dtype != DType::kI32)
    return wrong(ErrorCode::kMismatch, file, tensor,
                 fmt::format("has dtype {}; I64 or I32 are read", name_of(tensor.dtype)));
  if (tensor.shape.size() != 2 || tensor.bytes.empty()) {
    return wrong(ErrorCode::kMismatch, file, tensor,
                 fmt::format("has shape [{}]; [texts, length] is needed", fmt::join(tensor.shape, ", ")));
  }
  if (tensor.shape[1] > static_cast<uint64_t>(input.positions.shape[0])) {
    return wrong(ErrorCode::kInvalidArgument, file, tensor,
                 fmt::format("has texts of {} tokens, the model takes {}", tensor.shape[1], input.positions.shape[0]));
  }
  const at::Tensor ids = ids_of(tensor, 0, static_cast<int64_t>(tensor.shape[0]));
  for (const int64_t id : {ids.min().item<int64_t>(), ids.max().item<int64_t>()}) {
    if (id < 0 || id >= input.tokens.shape[0])
      return wrong(ErrorCode::kInvalidArgument, file, tensor,
                   fmt::format("holds id {}, outside the vocabulary of {}", id, input.tokens.shape[0]));
  }
  return {};
}

}  // namespace

Result<EncoderInputs> EncoderInputs::open(const std::filesystem::path& path, const EncoderModelSpec& model) {
  NWC_ASSIGN_OR_RETURN(SafetensorsFile opened, SafetensorsFile::open(path));
  EncoderInputs inputs(std::move(opened));
  const SafetensorsFile& file = inputs.file_;
  for (const EncoderSpec& tower : model.towers) {
    const TensorView* const tensor = inputs.view_of(tower.name);
    const auto* const patches = std::get_if<PatchInputSpec>(&tower.input);
    if (tensor == nullptr && patches != nullptr) {
      return Error(ErrorCode::kNotFound, fmt::format("holds no {}", kPixels))
          .in_file(path.string())
          .remedy("write what the model's image processor returns");
    }
    if (tensor == nullptr) continue;
    NWC_RETURN_IF_ERROR(patches != nullptr ? check_pixels(file, *tensor, *patches)
                                           : check_ids(file, *tensor, std::get<TokenInputSpec>(tower.input)));
  }
  if (const TensorView* labels = file.find(kLabels)) NWC_RETURN_IF_ERROR(check_floats(file, *labels, 2));
  return inputs;
}

const TensorView* EncoderInputs::view_of(const std::string& tower) const {
  return file_.find(tower == "text" ? kIds : kPixels);
}

int64_t EncoderInputs::count(const std::string& tower) const {
  const TensorView* const tensor = view_of(tower);
  return tensor == nullptr ? 0 : static_cast<int64_t>(tensor->shape[0]);
}

at::Tensor EncoderInputs::batch(const std::string& tower, int64_t first, int64_t count) const {
  const TensorView& tensor = *view_of(tower);
  return is_weight_dtype(tensor.dtype) ? floats_of(tensor, first, count) : ids_of(tensor, first, count);
}

uint64_t EncoderInputs::hash(const std::string& tower) const {
  const TensorView* const tensor = view_of(tower);
  return tensor == nullptr ? 0 : xxh3(tensor->bytes);
}

int64_t EncoderInputs::labels() const {
  const TensorView* const tensor = file_.find(kLabels);
  return tensor == nullptr ? 0 : static_cast<int64_t>(tensor->shape[0]);
}

int64_t EncoderInputs::label_features() const { return static_cast<int64_t>(file_.find(kLabels)->shape[1]); }

at::Tensor EncoderInputs::label_embeds() const { return floats_of(*file_.find(kLabels), 0, labels()); }

}  // namespace nwc
