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
constexpr const char* kMethod = "nwcodec";
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

Status write_config(const std::filesystem::path& path, const Json& config) {
  return write_file(path, config.dump(2) + "\n");
}

}  // namespace

Status write_compressed_config(const std::filesystem::path& from, const std::filesystem::path& to, uint64_t codec_id) {
  NWC_ASSIGN_OR_RETURN(std::optional<Json> config, read_config(from / kConfigName));
  if (!config) return {};
  if (const auto earlier = config->find(kOurs); earlier != config->end()) (*config)[kOriginal] = *earlier;
  (*config)[kOurs] = {{"quant_method", kMethod}, {"format_version", kFormatVersion}, {"codec_id", hex64(codec_id)}};
  return write_config(to / kConfigName, *config);
}

Status check_compressed_config(const std::filesystem::path& directory, uint64_t codec_id) {
  const std::filesystem::path path = directory / kConfigName;
  NWC_ASSIGN_OR_RETURN(const std::optional<Json> config, read_config(path));
  if (!config || !config->contains(kOurs)) return {};
  const Json& ours = (*config)[kOurs];
  const auto refuse = [&](ErrorCode code, std::string why) {
    return Error(code, kOurs + (": " + std::move(why))).in_file(path.string());
  };
  const auto has = [&](const char* key, const Json& value) {
    return ours.is_object() && ours.contains(key) && ours[key] == value;
  };
  if (!has("quant_method", kMethod))
    return refuse(ErrorCode::kMismatch, "quant_method is not nwcodec, but the tensors are compressed by it");
  if (!has("format_version", kFormatVersion)) {
    const std::string found = ours.contains("format_version") ? ours["format_version"].dump().substr(0, 20) : "none";
    return refuse(ErrorCode::kUnsupported, "has format version " + found + ", this program reads versions " +
                                               std::to_string(kOldestFormatVersion) + " to " +
                                               std::to_string(kFormatVersion))
        .remedy("use a newer nwcodec");
  }
  if (!has("codec_id", hex64(codec_id)))
    return refuse(ErrorCode::kMismatch, "codec_id is not that of codec.safetensors, " + hex64(codec_id));
  return {};
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
