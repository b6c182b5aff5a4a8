#include "checkpoint/checkpoint_files.h"

#include "checkpoint/index.h"
#include "checkpoint/weight_files.h"

namespace nwc {
namespace {

constexpr std::string_view kRefinementPrefix = "refinement-";

}  // namespace

CheckpointFiles CheckpointFiles::of(const std::filesystem::path& directory) {
  CheckpointFiles files;
  if (const Result<WeightMap> map = read_index(directory / kIndexFileName)) {
    for (const auto& [tensor, file] : *map) files.named_.insert(file);
  }
  if (const auto file = explicit_weight_file(directory); file && *file) files.named_.insert(**file);
  return files;
}

bool CheckpointFiles::contains(const std::string& file_name) const {
  return is_refinement_folder(file_name) || file_name == kSingleFileName || file_name == kIndexFileName ||
         file_name == kCodecFileName || is_shard_name(file_name) || named_.contains(file_name);
}

std::string refinement_folder(unsigned number) { return std::string(kRefinementPrefix) + std::to_string(number); }

bool is_refinement_folder(std::string_view file_name) {
  if (!file_name.starts_with(kRefinementPrefix)) return false;
  const std::string_view number = file_name.substr(kRefinementPrefix.size());
  return !number.empty() && number.size() <= 3 && number[0] != '0' &&
         number.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_shard_name(std::string_view file_name) {
  constexpr std::string_view kPattern = "model-#####-of-#####.safetensors";  // a digit for each #
  if (file_name.size() != kPattern.size()) return false;
  for (size_t i = 0; i < kPattern.size(); ++i) {
    const bool digit = file_name[i] >= '0' && file_name[i] <= '9';
    if (kPattern[i] == '#' ? !digit : file_name[i] != kPattern[i]) return false;
  }
  return true;
}

}  // namespace nwc
