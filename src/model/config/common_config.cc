#include "model/config/common_config.h"

#include <fmt/format.h>

namespace nwc {

Result<int64_t> read_width(const ConfigObject& config, std::string_view key) {
  return config.integer(key, 1, kMaxWidth);
}

Result<Activation> read_activation(const ConfigObject& config, std::string_view key) {
  NWC_ASSIGN_OR_RETURN(const std::string name, config.string(key));
  if (name == "silu" || name == "swish") return Activation::kSilu;
  if (name == "gelu" || name == "gelu_python") return Activation::kGelu;
  for (const char* tanh : {"gelu_pytorch_tanh", "gelu_python_tanh", "gelu_new", "gelu_fast", "gelu_accurate"}) {
    if (name == tanh) return Activation::kGeluTanh;
  }
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
