#include "checkpoint/quantised/quantisation_config.h"

#include <algorithm>

#include "base/file.h"
#include "base/json.h"
#include "nwcodec/limits.h"

namespace nwc {
namespace {

const Json* find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string text_of(const Json* value) {
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

std::optional<DType> dtype_of(const Json& config) {
  for (const char* key : {"dtype", "torch_dtype"}) {
    std::string name = text_of(find(config, key));
    if (name.starts_with("torch.")) name.erase(0, 6);
    if (name == "bfloat16") return DType::kBF16;
    if (name == "float16" || name == "half") return DType::kF16;
    if (name == "float32" || name == "float") return DType::kF32;
  }
  return std::nullopt;
}

Result<BlockSize> block_of(const Json& value) {
  const auto side = [&](size_t i) -> uint64_t { return value[i].is_number_unsigned() ? value[i].get<uint64_t>() : 0; };
  if (!value.is_array() || value.size() != 2 || side(0) == 0 || side(1) == 0) {
    return Error(ErrorCode::kCorrupt, "'weight_block_size' in quantization_config is " + value.dump().substr(0, 100) +
                                          ", not two positive integers");
  }
  return BlockSize{side(0), side(1)};
}

}  // namespace

Result<QuantisationConfig> QuantisationConfig::read(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "config.json";
  QuantisationConfig result;
  const Result<std::string> text = read_text_file(path, limits::kMaxJsonFile);
  if (!text) return result;
  const Result<Json> config = parse_json(*text, JsonDialect::kPython);
  if (!config || !config->is_object()) return result;
  const Json* const language = find(*config, "text_config");
  if (const auto dtype = dtype_of(*config)) {
    result.dtype = *dtype;
  } else if (language != nullptr) {
    result.dtype = dtype_of(*language).value_or(DType::kBF16);
  }
  const Json* quantisation = find(*config, "quantization_config");
  if (quantisation == nullptr) quantisation = find(*config, "compression_config");
  if (quantisation == nullptr && language != nullptr) quantisation = find(*language, "quantization_config");
  if (quantisation == nullptr) {
    const Json* const mlx = find(*config, "quantization");
    if (mlx != nullptr && find(*mlx, "group_size") != nullptr) result.method = "mlx";
    return result;
  }
  result.method = text_of(find(*quantisation, "quant_method"));
  std::transform(result.method.begin(), result.method.end(), result.method.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  if (result.method.empty() && find(*quantisation, "group_size") != nullptr) result.method = "mlx";
  if (result.method == "fp8" || result.method == "mxfp8") result.block = BlockSize{128, 128};  // unless it says more
  if (const Json* block = find(*quantisation, "weight_block_size")) {
    Result<BlockSize> size = block_of(*block);
    if (!size) return std::move(size).error().in_file(path.string());
    result.block = *size;
  }
  return result;
}

}  // namespace nwc
