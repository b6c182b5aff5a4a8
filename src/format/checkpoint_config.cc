#include "format/checkpoint_config.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "format/format_versions.h"
#include "format/json_members.h"
#include "nwcodec/limits.h"

namespace nwc {
namespace {

constexpr const char* kConfigName = "config.json";
constexpr const char* kOurs = "quantization_config";
constexpr const char* kOlder = "compression_config";  // compressed-tensors' key for it, before transformers had one
constexpr const char* kMethod = "nwcodec";
constexpr const char* kOriginal = "original_quantization_config";

struct ConfigText {
  std::string text;
  Json json;  // what it says
};

// nullopt if there is no config.json.
Result<std::optional<ConfigText>> read_config(const std::filesystem::path& path) {
  Result<std::string> text = read_text_file(path, limits::kMaxJsonFile);
  if (!text) {
    if (text.error().code() == ErrorCode::kNotFound) return std::optional<ConfigText>();
    return std::move(text).error();
  }
  Result<Json> config = parse_json(*text, JsonDialect::kPython);
  if (!config) return std::move(config).error().in_file(path.string());
  if (!config->is_object()) return Error(ErrorCode::kCorrupt, "is not a JSON object").in_file(path.string());
  return std::optional<ConfigText>({*std::move(text), *std::move(config)});
}

std::string_view torch_name_of(DType dtype) {
  switch (dtype) {
    case DType::kF32: return "float32";
    case DType::kF16: return "float16";
    default: return "bfloat16";
  }
}

// Gives the dtype that the object at `at` and those inside it name (text_config, vision_config) another value, or, with
// `only`, where it has this name. Other quantisation methods name dtypes of their own, which stay.
void replace_dtypes(std::string& text, size_t at, DType dtype, std::string_view only = {}) {
  std::vector<JsonMember> members = members_of(text, at);
  for (auto member = members.rbegin(); member != members.rend(); ++member) {  // from behind: offsets stay right
    const char first = text[member->value.begin];
    if (first == '{' && member->name != kOurs && member->name != kOriginal)
      replace_dtypes(text, member->value.begin, dtype, only);
    if (first != '"' || (member->name != "dtype" && member->name != "torch_dtype")) continue;
    const std::string old = text.substr(member->value.begin, member->value.size());
    const std::string prefix = old.starts_with("\"torch.") ? "\"torch." : "\"";
    if (!only.empty() && old.substr(prefix.size(), old.size() - prefix.size() - 1) != only) continue;
    text.replace(member->value.begin, member->value.size(), prefix + std::string(torch_name_of(dtype)) + "\"");
  }
}

// The text without what describes the numbers that were decoded; parts of the model (text_config) describe theirs.
std::string decoded_text(std::string text, const DecodedNumbers& decoded) {
  if (decoded.quantisation) {
    std::vector<JsonMember> members = members_of(text, 0);
    for (auto member = members.rbegin(); member != members.rend(); ++member) {
      if (text[member->value.begin] != '{' || member->name == kOurs || member->name == kOlder) continue;
      const std::string part = text.substr(member->value.begin, member->value.size());
      text.replace(member->value.begin, member->value.size(), decoded_text(part, {.quantisation = true}));
    }
    text = without_member(without_member(std::move(text), kOurs), kOlder);
  }
  if (decoded.float64) replace_dtypes(text, 0, DType::kF32, "float64");
  return text;
}

}  // namespace

Status write_compressed_config(const std::filesystem::path& from, const std::filesystem::path& to, uint64_t codec_id,
                               unsigned version, const DecodedNumbers& decoded) {
  NWC_ASSIGN_OR_RETURN(std::optional<ConfigText> config, read_config(from / kConfigName));
  if (!config) return {};
  // One that is there already was left over by a compression that was undone by hand.
  std::string text = without_member(decoded_text(std::move(config->text), decoded), kOriginal);
  text = with_member_renamed(std::move(text), kOurs, kOriginal);
  text = with_member(std::move(text), kOurs,
                     {{"quant_method", std::string("\"") + kMethod + "\""},
                      {"format_version", std::to_string(version)},
                      {"codec_id", "\"" + hex64(codec_id) + "\""}});
  return write_file(to / kConfigName, text);
}

Status write_decoded_config(const std::filesystem::path& from, const std::filesystem::path& to,
                            const DecodedNumbers& decoded) {
  NWC_ASSIGN_OR_RETURN(std::optional<ConfigText> config, read_config(from / kConfigName));
  if (!config) return {};
  return write_file(to / kConfigName, decoded_text(std::move(config->text), decoded));
}

Status check_compressed_config(const std::filesystem::path& directory, uint64_t codec_id) {
  const std::filesystem::path path = directory / kConfigName;
  NWC_ASSIGN_OR_RETURN(const std::optional<ConfigText> config, read_config(path));
  if (!config || !config->json.contains(kOurs)) return {};
  const Json& ours = config->json[kOurs];
  const auto refuse = [&](ErrorCode code, std::string why) {
    return Error(code, kOurs + (": " + std::move(why))).in_file(path.string());
  };
  const auto has = [&](const char* key, const Json& value) {
    return ours.is_object() && ours.contains(key) && ours[key] == value;
  };
  if (!has("quant_method", kMethod))
    return refuse(ErrorCode::kMismatch, "quant_method is not nwcodec, but the tensors are compressed by it");
  const std::string version = ours.contains("format_version") ? ours["format_version"].dump() : "none";
  if (!is_known_version(version)) return unknown_version(kOurs + std::string(": "), version).in_file(path.string());
  if (!has("codec_id", hex64(codec_id)))
    return refuse(ErrorCode::kMismatch, "codec_id is not that of codec.safetensors, " + hex64(codec_id));
  return {};
}

Status write_plain_config(const std::filesystem::path& from, const std::filesystem::path& to,
                          std::optional<DType> dtype) {
  NWC_ASSIGN_OR_RETURN(std::optional<ConfigText> config, read_config(from / kConfigName));
  if (!config) return {};
  std::string text = with_member_renamed(without_member(std::move(config->text), kOurs), kOriginal, kOurs);
  if (dtype) replace_dtypes(text, 0, *dtype);
  return write_file(to / kConfigName, text);
}

}  // namespace nwc
