#include "report/divergence/model_identity.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/file.h"
#include "base/hash.h"
#include "decode/layered_store.h"
#include "nwcodec/limits.h"
#include "weights/tensor_name.h"

namespace nwc {
namespace {

constexpr const char* kConfigName = "config.json";
// What says how numbers are stored, or who wrote the file.
constexpr std::array<std::string_view, 7> kOfTheFile{
    "quantization_config", "original_quantization_config", "compression_config", "dtype",
    "torch_dtype",         "transformers_version",         "_name_or_path"};

// The members of a config that describe the model, those of its parts likewise.
Json described(const Json& config) {
  if (!config.is_object()) return config;
  Json kept = Json::object();
  for (const auto& [key, value] : config.items()) {
    if (std::find(kOfTheFile.begin(), kOfTheFile.end(), key) == kOfTheFile.end()) kept[key] = described(value);
  }
  return kept;
}

std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  constexpr size_t kLongest = 60;
  return text.size() > kLongest ? text.substr(0, kLongest) + "..." : text;
}

Error differs(const ModelIdentity& first, const ModelIdentity& other, const std::string& how) {
  return Error(ErrorCode::kMismatch, how)
      .in_file(other.directory.string())
      .remedy("compare checkpoints of one model with each other; this is not the one of " + first.directory.string());
}

}  // namespace

Result<ModelIdentity> ModelIdentity::of(const std::filesystem::path& directory) {
  NWC_ASSIGN_OR_RETURN(const LayeredStore store, LayeredStore::open(directory, {}));
  ModelIdentity identity{.directory = directory};
  const std::filesystem::path path = directory / kConfigName;
  if (Result<std::string> text = read_text_file(path, limits::kMaxJsonFile)) {
    Result<Json> config = parse_json(*text, JsonDialect::kPython);
    if (!config) return std::move(config).error().in_file(path.string());
    identity.config = described(*config);
  } else if (text.error().code() != ErrorCode::kNotFound) {
    return std::move(text).error();
  }
  for (const auto& [name, weight] : store.weights()) {
    identity.shapes[name] = weight.info.shape;
    const TensorView* const plain = weight.last().stored->plain;
    if (plain == nullptr || TensorName::parse(name).block) continue;
    NWC_RETURN_IF_ERROR(store.layers()[weight.last().layer].verify_plain(*weight.last().stored));
    identity.plain[name] = {xxh3(plain->bytes), weight.info.dtype};
    store.release(weight);
  }
  return identity;
}

Status check_same_model(const ModelIdentity& first, const ModelIdentity& other) {
  if (first.config.is_object() && other.config.is_object()) {
    for (const auto& [key, value] : first.config.items()) {
      if (!other.config.contains(key)) return differs(first, other, fmt::format("config.json has no key '{}'", key));
      if (other.config[key] != value) {
        return differs(
            first, other,
            fmt::format("key '{}' of config.json is {}, elsewhere {}", key, shown(other.config[key]), shown(value)));
      }
    }
    for (const auto& [key, value] : other.config.items()) {
      if (!first.config.contains(key))
        return differs(first, other, fmt::format("key '{}' of config.json is not there elsewhere", key));
    }
  }
  for (const auto& [name, shape] : first.shapes) {
    const auto found = other.shapes.find(name);
    if (found == other.shapes.end()) return differs(first, other, "is missing").in_tensor(name);
    if (found->second == shape) continue;
    return differs(
               first, other,
               fmt::format("has shape [{}], elsewhere [{}]", fmt::join(found->second, ", "), fmt::join(shape, ", ")))
        .in_tensor(name);
  }
  for (const auto& [name, shape] : other.shapes) {
    if (first.shapes.count(name) == 0) return differs(first, other, "is not there elsewhere").in_tensor(name);
  }
  for (const auto& [name, tensor] : first.plain) {
    const auto found = other.plain.find(name);
    if (found == other.plain.end() || found->second.dtype != tensor.dtype || found->second.hash == tensor.hash)
      continue;
    return differs(first, other,
                   fmt::format("its hash is {}, elsewhere {}", hex64(found->second.hash), hex64(tensor.hash)))
        .in_tensor(name);
  }
  return {};
}

}  // namespace nwc
