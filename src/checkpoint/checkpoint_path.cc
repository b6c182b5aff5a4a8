#include "checkpoint/checkpoint_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/spelling.h"
#include "checkpoint/index.h"
#include "checkpoint/weight_files.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/limits.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAdapterConfig = "adapter_config.json";

bool is_folder(const fs::path& path) {
  std::error_code failure;
  return fs::is_directory(path, failure);
}

// "org/name" as the Hub has names.
bool is_hub_name(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == 0 || slash == text.npos || slash + 1 == text.size() || text.find('/', slash + 1) != text.npos)
    return false;
  return text.front() != '.' && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == '/';
         });
}

// Where the Hub's tools keep what they fetched.
std::vector<fs::path> hub_caches() {
  std::vector<fs::path> places;
  const auto add = [&](const char* variable, const char* below) {
    if (const char* value = std::getenv(variable); value != nullptr && *value != '\0')
      places.push_back(fs::path(value) / below);
  };
  add("HF_HUB_CACHE", "");
  add("HF_HOME", "hub");
  add("XDG_CACHE_HOME", "huggingface/hub");
  add("HOME", ".cache/huggingface/hub");
  return places;
}

// The snapshot in a cache root, models--org--name: the one that refs/main names, else the only one, else the last by
// name.
std::optional<fs::path> snapshot_in(const fs::path& root) {
  const fs::path snapshots = root / "snapshots";
  if (!is_folder(snapshots)) return std::nullopt;
  if (const Result<std::string> main = read_text_file(root / "refs/main", 200)) {
    const std::string name = main->substr(0, main->find_last_not_of(" \r\n") + 1);
    if (!name.empty() && name.find('/') == name.npos && is_folder(snapshots / name)) return snapshots / name;
  }
  Result<std::vector<std::string>> names = list_directory(snapshots);
  if (!names || names->empty()) return std::nullopt;
  return snapshots / *std::max_element(names->begin(), names->end());
}

Error no_such_directory(const fs::path& directory) {
  const std::string name = directory.string();
  Error error = Error(ErrorCode::kNotFound, "there is no such directory").in_file(name);
  const fs::path parent = directory.has_parent_path() ? directory.parent_path() : ".";
  if (const Result<std::vector<std::string>> siblings = list_directory(parent)) {
    const std::string close = closest(directory.filename().string(), *siblings);
    if (close.empty()) return error;
    return std::move(error).remedy("did you mean " + (directory.parent_path() / close).string() + "?");
  }
  if (!is_hub_name(name)) return error;
  std::string cached = "models--" + name;
  cached.replace(cached.find('/'), 1, "--");
  for (const fs::path& cache : hub_caches()) {
    if (const std::optional<fs::path> snapshot = snapshot_in(cache / cached)) {
      return std::move(error).remedy("the model of that name on the Hugging Face Hub lies in " + snapshot->string());
    }
  }
  return std::move(error).remedy("for the model of that name on the Hugging Face Hub: hf download " + name +
                                 " --local-dir DIRECTORY, and give that directory");
}

// The base model that an adapter names; empty if it names none.
std::string base_of_adapter(const fs::path& directory) {
  const Result<std::string> text = read_text_file(directory / kAdapterConfig, limits::kMaxJsonFile);
  if (!text) return "";
  const Result<Json> config = parse_json(*text, JsonDialect::kPython);
  if (!config || !config->is_object()) return "";
  const auto base = config->find("base_model_name_or_path");
  return base != config->end() && base->is_string() ? base->get<std::string>() : "";
}

}  // namespace

Status check_is_directory(const fs::path& directory) {
  std::error_code failure;
  const fs::file_status status = fs::status(directory, failure);
  if (!fs::exists(status)) return no_such_directory(directory);
  if (!fs::is_directory(status)) {
    return Error(ErrorCode::kInvalidArgument, "is not a directory")
        .in_file(directory.string())
        .remedy("give the checkpoint directory that holds config.json and the weights");
  }
  return {};
}

Error no_weights(const fs::path& directory) {
  if (const std::optional<fs::path> snapshot = snapshot_in(directory)) {
    return Error(ErrorCode::kNotFound, "is the root of a cache, not a checkpoint")
        .in_file(directory.string())
        .remedy("give its snapshot, " + snapshot->string());
  }
  const Result<std::vector<std::string>> names = list_directory(directory);
  if (!names) return names.error();
  std::vector<std::string> other_formats, safetensors;
  bool adapter = false;
  for (const std::string& name : *names) {
    adapter = adapter || name == kAdapterConfig;
    if (is_foreign_weight_file(name)) other_formats.push_back(name);
    if (name.ends_with(".safetensors") && name != kCodecFileName) safetensors.push_back(name);
  }
  const std::string message = fmt::format("has neither {} nor {}", kSingleFileName, kIndexFileName);
  if (adapter) {
    const std::string base = base_of_adapter(directory);
    return Error(ErrorCode::kNotFound, message + ", only an adapter")
        .in_file(directory.string())
        .remedy(fmt::format("merge it into its base model{} first (merge_and_unload, save_pretrained)",
                            base.empty() ? "" : " " + base));
  }
  if (!safetensors.empty()) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("{}, but {}", message, *std::min_element(safetensors.begin(), safetensors.end())))
        .in_file(directory.string())
        .remedy("fetch the index that belongs to the shards, or rename a single file to model.safetensors");
  }
  if (!other_formats.empty()) {
    const std::string& first = *std::min_element(other_formats.begin(), other_formats.end());
    Error error = Error(ErrorCode::kNotFound, fmt::format("{}, but {}", message, first)).in_file(directory.string());
    if (first.ends_with(".gguf")) {
      return std::move(error).remedy(
          fmt::format("GGUF is not read: take the original, or load it with transformers' from_pretrained(..., "
                      "gguf_file='{}') and save_pretrained()",
                      first));
    }
    return std::move(error).remedy(
        "only safetensors is read: convert the checkpoint first (save_pretrained writes safetensors)");
  }
  return Error(ErrorCode::kNotFound, message)
      .in_file(directory.string())
      .remedy("give the directory that holds the weights");
}

std::string directory_name(const fs::path& directory) {
  std::error_code failure;
  const fs::path absolute = fs::absolute(directory, failure),
                 normal = (failure ? directory : absolute).lexically_normal();
  return (normal.has_filename() ? normal : normal.parent_path()).filename().string();
}

fs::path path_beside(const fs::path& directory, const std::string& suffix) {
  fs::path path = directory.has_filename() ? directory : directory.parent_path();
  const fs::path name = path.filename();
  if (name.empty() || name == "." || name == "..") {
    std::error_code failure;
    const fs::path absolute = fs::absolute(directory, failure);
    path = (failure ? directory : absolute).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();
  }
  return path.concat(suffix);
}

}  // namespace nwc
