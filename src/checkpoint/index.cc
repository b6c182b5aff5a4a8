#include "checkpoint/index.h"

#include <fmt/format.h>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/json_text.h"
#include "nwcodec/limits.h"

namespace nwc {
namespace {

// Whether joining `name` to a directory stays in that directory, here and on other systems (a colon is a drive there).
bool is_bare_file_name(const std::string& name) {
  return !name.empty() && name.find_first_of(std::string_view("/\\:\0", 4)) == std::string::npos &&
         name.find("..") == std::string::npos;
}

Status check_shard_name(const std::string& name) {
  const auto refuse = [&](ErrorCode code, std::string_view why) {
    return Error(code, fmt::format("the index maps it to '{}', {}", name.substr(0, 200), why));
  };
  if (!is_bare_file_name(name)) return refuse(ErrorCode::kCorrupt, "which is not a bare file name");
  if (!name.ends_with(".safetensors")) return refuse(ErrorCode::kUnsupported, "but only .safetensors files are read");
  if (name == kCodecFileName) return refuse(ErrorCode::kCorrupt, "which holds a codec, not a model's tensors");
  return {};
}

Result<WeightMap> parse_weight_map(const Json& index) {
  if (!index.is_object()) return Error(ErrorCode::kCorrupt, "is not a JSON object");
  const auto found = index.find("weight_map");
  if (found == index.end()) return Error(ErrorCode::kCorrupt, "has no 'weight_map'");
  if (!found->is_object()) return Error(ErrorCode::kCorrupt, "'weight_map' is not an object");
  if (found->empty()) return Error(ErrorCode::kCorrupt, "'weight_map' is empty");
  if (found->size() > limits::kMaxTensors) {
    return Error(ErrorCode::kLimit,
                 fmt::format("maps {} tensors; the limit is {}", found->size(), limits::kMaxTensors));
  }
  WeightMap weight_map;
  for (const auto& [tensor, file] : found->items()) {
    if (!file.is_string()) {
      return Error(ErrorCode::kCorrupt, "the index maps it to something that is not a string").in_tensor(tensor);
    }
    const auto& name = file.get_ref<const std::string&>();
    if (Status status = check_shard_name(name); !status) return std::move(status).error().in_tensor(tensor);
    weight_map.emplace(tensor, name);
  }
  return weight_map;
}

}  // namespace

std::string shard_file_name(size_t number, size_t count) {
  return fmt::format("model-{:05}-of-{:05}.safetensors", number, count);
}

Result<WeightMap> read_index(const std::filesystem::path& path) {
  NWC_ASSIGN_OR_RETURN(const std::string text, read_text_file(path, limits::kMaxJsonFile));
  Result<Json> json = parse_json(text);
  if (!json) return std::move(json).error().in_file(path.string());
  Result<WeightMap> weight_map = parse_weight_map(*json);
  if (!weight_map) return std::move(weight_map).error().in_file(path.string());
  return weight_map;
}

Status write_index(const std::filesystem::path& directory, uint64_t total_size, const WeightMap& weight_map) {
  if (weight_map.empty()) return Error(ErrorCode::kInvalidArgument, "an index of no tensors");
  std::string text =
      fmt::format("{{\n  \"metadata\": {{\n    \"total_size\": {}\n  }},\n  \"weight_map\": {{", total_size);
  const char* separator = "\n    ";
  for (const auto& [tensor, file] : weight_map) {
    if (Status status = check_shard_name(file); !status) {
      return Error(ErrorCode::kInvalidArgument, status.error().message()).in_tensor(tensor);
    }
    NWC_ASSIGN_OR_RETURN(const std::string key, json_quoted(tensor));
    NWC_ASSIGN_OR_RETURN(const std::string value, json_quoted(file));
    text += separator + key + ": " + value;
    separator = ",\n    ";
  }
  text += "\n  }\n}\n";
  return write_file(directory / kIndexFileName, text);
}

}  // namespace nwc
