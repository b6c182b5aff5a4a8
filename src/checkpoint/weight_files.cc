#include "checkpoint/weight_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/index.h"
#include "nwcodec/limits.h"

namespace nwc {

namespace fs = std::filesystem;

bool is_foreign_weight_file(std::string_view file_name) {
  constexpr std::string_view kIndexSuffix = ".index.json";
  constexpr std::array<std::string_view, 7> kSuffixes{".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack"};
  if (file_name.ends_with(kIndexSuffix)) file_name.remove_suffix(kIndexSuffix.size());
  return std::any_of(kSuffixes.begin(), kSuffixes.end(), [&](auto suffix) { return file_name.ends_with(suffix); });
}

Result<std::optional<std::string>> explicit_weight_file(const fs::path& directory) {
  constexpr std::string_view kExplicitKey = "transformers_weights";
  const fs::path path = directory / "config.json";
  const Result<std::string> text = read_text_file(path, limits::kMaxJsonFile);
  if (!text || text->find(kExplicitKey) == std::string::npos) return std::optional<std::string>();
  const Result<Json> config = parse_json(*text, JsonDialect::kPython);
  if (!config || !config->is_object()) return std::optional<std::string>();
  const auto value = config->find(kExplicitKey);
  if (value == config->end() || value->is_null()) return std::optional<std::string>();
  const std::string name = value->is_string() ? value->get<std::string>() : value->dump().substr(0, 100);
  if (name == kIndexFileName) return std::optional<std::string>(name);
  if (!value->is_string() || !name.ends_with(".safetensors") || name.find_first_of("/\\") != std::string::npos ||
      name == kCodecFileName) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("'{}' names '{}', which is no safetensors file of this directory", kExplicitKey, name))
        .in_file(path.string())
        .remedy("take the key out, or name the file that holds the weights");
  }
  return std::optional<std::string>(name);
}

}  // namespace nwc
