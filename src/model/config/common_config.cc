#include "model/config/common_config.h"

#include <fmt/format.h>

namespace nwc {

Result<int64_t> read_width(const ConfigObject& config, std::string_view key, std::optional<int64_t> fallback) {
  return fallback ? config.integer(key, 1, kMaxWidth, *fallback) : config.integer(key, 1, kMaxWidth);
}

Result<std::optional<DType>> read_dtype(const ConfigObject& config) {
  const std::string_view key = config.has("dtype") ? "dtype" : "torch_dtype";
  if (!config.has(key)) return std::optional<DType>();
  NWC_ASSIGN_OR_RETURN(const std::string name, config.string(key));
  if (name == "float32") return std::optional(DType::kF32);
  if (name == "float16") return std::optional(DType::kF16);
  if (name == "bfloat16") return std::optional(DType::kBF16);
  return config.error(ErrorCode::kUnsupported, key,
                      fmt::format("is '{}'; known are float32, float16 and bfloat16", name));
}

Result<Activation> read_activation(const ConfigObject& config, std::string_view key, std::string_view fallback) {
  NWC_ASSIGN_OR_RETURN(const std::string name, config.string(key, fallback));
  if (name == "silu" || name == "swish") return Activation::kSilu;
  if (name == "gelu") return Activation::kGelu;
  if (name == "gelu_pytorch_tanh") return Activation::kGeluTanh;
  if (name == "quick_gelu") return Activation::kQuickGelu;
  return config.error(ErrorCode::kUnsupported, key,
                      fmt::format("is '{}'; known are silu, gelu, gelu_pytorch_tanh and quick_gelu", name));
}

Status refuse_if_set(const ConfigObject& config, std::string_view key) {
  if (!config.has(key)) return {};
  const Result<bool> flag = config.boolean(key, false);
  if (flag && !*flag) return {};
  return config.error(ErrorCode::kUnsupported, key, "must be null or false");
}

}  // namespace nwc
