#include "checkpoint/quantised/packed_formats.h"

#include <algorithm>

#include "checkpoint/quantised/quantisation_config.h"

namespace nwc {
namespace {

constexpr std::string_view kOriginal = "take the model before its quantisation (its model card names it), in BF16";
constexpr std::string_view kDequantise =
    "load it with transformers, call dequantize() and save_pretrained(), or take the original in BF16";
constexpr std::string_view kMlx = "convert it with mlx_lm.convert --dequantize, or take the original in BF16";
constexpr std::string_view kCompressedTensors =
    "load it with transformers and CompressedTensorsConfig(dequantize=True) and save it, or take the original in BF16";

struct Method {
  std::string_view method;  // quant_method in config.json
  std::string_view name, remedy;
};
constexpr Method kMethods[] = {
    {"gptq", "GPTQ", kOriginal},
    {"awq", "AWQ", kOriginal},
    {"auto-round", "AutoRound", kOriginal},
    {"bitsandbytes", "bitsandbytes", kDequantise},
    {"hqq", "HQQ", kDequantise},
    {"compressed-tensors", "compressed-tensors", kCompressedTensors},
    {"mlx", "MLX", kMlx},
    {"aqlm", "AQLM", kOriginal},
    {"vptq", "VPTQ", kOriginal},
    {"spqr", "SpQR", kOriginal},
    {"bitnet", "BitNet", kOriginal},
    {"quanto", "Quanto", kDequantise},
    {"torchao", "TorchAO", kDequantise},
    {"eetq", "EETQ", kOriginal},
    {"higgs", "HIGGS", kDequantise},
    {"fp_quant", "FP-Quant", kOriginal},
    {"quark", "Quark", kOriginal},
    {"exl3", "EXL3", kOriginal},
    {"exl2", "EXL2", kOriginal},
    {"nvfp4", "NVFP4", kOriginal},
    {"modelopt", "ModelOpt", kOriginal},
    {"sinq", "SINQ", kOriginal},
    {"fouroversix", "Four Over Six", kOriginal},
    {"metal", "Metal", kOriginal},
};

// Names of parameters that only one format has; "scales" beside "qweight" is GPTQ's and AWQ's, which differ by config.
struct Parameter {
  std::string_view ending;
  bool weights;  // the packed weights themselves
  std::string_view method;
};
constexpr Parameter kParameters[] = {
    {".qweight", true, "gptq"},
    {".weight_packed", true, "compressed-tensors"},
    {".weight.absmax", false, "bitsandbytes"},
    {".weight.quant_map", false, "bitsandbytes"},
    {".SCB", false, "bitsandbytes"},
    {".W_q", true, "hqq"},
    {".codebooks", false, "aqlm"},
    {".weight._data", true, "quanto"},
    {"._weight_qdata", true, "torchao"},
    {".trellis", true, "exl3"},
    {".q_weight", true, "exl2"},
    {".weight_scale_2", false, "nvfp4"},
};

const Method* method_of(std::string_view name) {
  const auto found =
      std::find_if(std::begin(kMethods), std::end(kMethods), [&](const Method& m) { return m.method == name; });
  return found == std::end(kMethods) ? nullptr : &*found;
}

const Parameter* parameter_of(std::string_view tensor) {
  const auto found = std::find_if(std::begin(kParameters), std::end(kParameters),
                                  [&](const Parameter& p) { return tensor.ends_with(p.ending); });
  return found == std::end(kParameters) ? nullptr : &*found;
}

// MLX keeps the name of the weight, in words of 32 bits; GGUF's and others' eight-bit integers are in "weight" too.
bool is_packed_plain_weight(const TensorView& tensor) {
  return tensor.name.ends_with(".weight") && tensor.shape.size() >= 2 &&
         (tensor.dtype == DType::kU32 || tensor.dtype == DType::kU8 || tensor.dtype == DType::kI8);
}

}  // namespace

std::optional<PackedFormat> packed_format_of(std::span<const TensorView> tensors, std::string_view method) {
  const TensorView* plain = nullptr;
  for (const TensorView& tensor : tensors) {
    if (const Parameter* parameter = parameter_of(tensor.name)) {
      const Method* named = method_of(method);
      if (named == nullptr) named = method_of(parameter->method);
      return PackedFormat{named->name, tensor.name, {}, named->remedy};
    }
    if (plain == nullptr && is_packed_plain_weight(tensor)) plain = &tensor;
  }
  if (plain == nullptr) return std::nullopt;
  const Method* named = method_of(method);
  if (named == nullptr && plain->dtype == DType::kU32) named = method_of("mlx");
  if (named == nullptr) return PackedFormat{name_of(plain->dtype), plain->name, {}, kOriginal};
  return PackedFormat{named->name, plain->name, {}, named->remedy};
}

bool is_packed_weight(std::string_view parameter) {
  return std::any_of(std::begin(kParameters), std::end(kParameters),
                     [&](const Parameter& p) { return p.weights && p.ending.substr(1) == parameter; });
}

std::optional<PackedFormat> packed_weights(const Checkpoint& checkpoint) {
  const Result<QuantisationConfig> config = QuantisationConfig::read(checkpoint.directory());
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    auto packed = packed_format_of(checkpoint.tensors(shard), config ? std::string_view(config->method) : "");
    if (!packed) continue;
    packed->file = shard.path().string();
    return packed;
  }
  return std::nullopt;
}

std::optional<Error> packed_weights_error(const Checkpoint& checkpoint) {
  const std::optional<PackedFormat> packed = packed_weights(checkpoint);
  if (!packed) return std::nullopt;
  return Error(ErrorCode::kUnsupported,
               "its weights are packed in a format that is not read, " + std::string(packed->name))
      .in_file(packed->file)
      .in_tensor(packed->tensor)
      .remedy(std::string(packed->remedy));
}

}  // namespace nwc
