#include "format/checkpoint_config.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "nwcodec/limits.h"
#include "nwcodec/version.h"

namespace nwc {
namespace {

constexpr const char* kConfigName = "config.json";
constexpr const char* kOurs = "quantization_config";
constexpr const char* kOriginal = "original_quantization_config";

// nullopt if there is no config.json.
Result<std::optional<Json>> read_config(const std::filesystem::path& path) {
  Result<std::string> text = read_text_file(path, limits::kMaxJsonFile);
  if (!text) {
    if (text.error().code() == ErrorCode::kNotFound) return std::optional<Json>();
    return std::move(text).error();
  }
  Result<Json> config = parse_json(*text);
  if (!config) return std::move(config).error().in_file(path.string());
  if (!config->is_object()) return Error(ErrorCode::kCorrupt, "is not a JSON object").in_file(path.string());
  return std::optional<Json>(*std::move(config));
}

Status write_config(const std::filesystem::path& path, const Json& config) { return write_file(path, config.dump(2) + "\n"); }

}  // namespace

Status write_compressed_config(const std::filesystem::path& from, const std::filesystem::path& to, uint64_t codec_id) {
  NWC_ASSIGN_OR_RETURN(std::optional<Json> config, read_config(from / kConfigName));
  if (!config) return {};
  if (const auto earlier = config->find(kOurs); earlier != config->end()) (*config)[kOriginal] = *earlier;
  (*config)[kOurs] = {{"quant_method", "nwcodec"}, {"format_version", kFormatVersion}, {"codec_id", hex64(codec_id)}};
  return write_config(to / kConfigName, *config);
}

Status write_plain_config(const std::filesystem::path& from, const std::filesystem::path& to) {
  NWC_ASSIGN_OR_RETURN(std::optional<Json> config, read_config(from / kConfigName));
  if (!config) return {};
  config->erase(kOurs);
  if (const auto original = config->find(kOriginal); original != config->end()) {
    Json kept = *original;
    config->erase(kOriginal);
    (*config)[kOurs] = std::move(kept);
  }
  return write_config(to / kConfigName, *config);
}

}  // namespace nwc
