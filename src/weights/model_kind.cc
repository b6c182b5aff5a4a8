#include "weights/model_kind.h"

#include <algorithm>

#include "base/file.h"
#include "base/json.h"
#include "nwcodec/limits.h"

namespace nwc {
namespace {

std::string type_of(const Json& config) {
  const auto type = config.find("model_type");
  return type != config.end() && type->is_string() ? type->get<std::string>() : std::string();
}

uint64_t hidden_size_of(const Json& config) {
  for (const char* key : {"hidden_size", "n_embd"}) {
    const auto size = config.find(key);
    if (size != config.end() && size->is_number_unsigned()) return size->get<uint64_t>();
  }
  return 0;
}

}  // namespace

Result<ModelKind> ModelKind::read(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "config.json";
  Result<std::string> text = read_text_file(path, limits::kMaxJsonFile);
  if (!text) {
    if (text.error().code() == ErrorCode::kNotFound) return ModelKind();
    return std::move(text).error();
  }
  Result<Json> config = parse_json(*text, JsonDialect::kPython);
  if (!config) return std::move(config).error().in_file(path.string());
  if (!config->is_object()) return Error(ErrorCode::kCorrupt, "is not a JSON object").in_file(path.string());
  ModelKind kind{.type = type_of(*config), .hidden_size = hidden_size_of(*config)};
  for (const auto& [key, part] : config->items()) {
    if (!part.is_object()) continue;
    if (std::string type = type_of(part); !type.empty()) kind.inner_types.push_back(std::move(type));
    if (key == "text_config" && kind.hidden_size == 0) kind.hidden_size = hidden_size_of(part);
  }
  return kind;
}

bool ModelKind::has(std::string_view wanted) const {
  return type == wanted || std::find(inner_types.begin(), inner_types.end(), wanted) != inner_types.end();
}

}  // namespace nwc
