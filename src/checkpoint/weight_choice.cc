#include "checkpoint/weight_choice.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <system_error>

#include "base/file.h"
#include "checkpoint/checkpoint_files.h"
#include "checkpoint/weight_files.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr size_t kNamed = 3;

// Whether the directory's index maps all tensors to this file.
bool names_only(const fs::path& directory, const std::string& file) {
  const Result<WeightMap> index = read_index(directory / kIndexFileName);
  return index && std::all_of(index->begin(), index->end(), [&](const auto& entry) { return entry.second == file; });
}

}  // namespace

Result<WeightChoice> choose_weights(const fs::path& directory) {
  WeightChoice choice;
  std::error_code failure;
  NWC_ASSIGN_OR_RETURN(const std::optional<std::string> named, explicit_weight_file(directory));
  const std::string single = named.value_or(std::string(kSingleFileName));
  // A link that leads nowhere is no file, but better named than passed over where there is nothing else to read.
  const bool is_file = fs::is_regular_file(directory / single, failure);
  const bool has_index = fs::exists(fs::symlink_status(directory / kIndexFileName, failure));
  if (single == kIndexFileName || (!named && !is_file && has_index)) {
    NWC_ASSIGN_OR_RETURN(choice.index, read_index(directory / kIndexFileName));
    std::set<std::string> files;
    for (const auto& [tensor, file] : *choice.index) files.insert(file);
    choice.files.assign(files.begin(), files.end());
  } else if (named || fs::exists(fs::symlink_status(directory / single, failure))) {
    choice.files.push_back(single);
  }
  // Files that an index names and nobody reads count as passed over, whatever they are called.
  const CheckpointFiles own = choice.index || !has_index ? CheckpointFiles() : CheckpointFiles::of(directory);
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> names, list_directory(directory));
  for (const std::string& name : names) {
    if (name == kCodecFileName || std::binary_search(choice.files.begin(), choice.files.end(), name)) continue;
    if (is_refinement_folder(name)) continue;
    if (name == kIndexFileName && (choice.index || names_only(directory, single))) continue;
    if (own.contains(name)) {
      choice.passed_over.push_back(name);
    } else if (name.ends_with(".safetensors") && !name.starts_with('.')) {
      choice.others.push_back(name);
    }
  }
  return choice;
}

std::string some_of(const std::vector<std::string>& names) {
  const size_t named = std::min(kNamed, names.size());
  const std::string text =
      fmt::format("{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(named), ", "));
  return names.size() > named ? fmt::format("{} and {} more", text, names.size() - named) : text;
}

}  // namespace nwc
