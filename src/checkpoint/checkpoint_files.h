// Which files of a directory are the checkpoint's own weights.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>

namespace nwc {

// What compression and decompression write anew, what they therefore do not copy, and what `--force` replaces.
// Everything else in a directory is a side file or somebody's own.
class CheckpointFiles {
 public:
  // Reads the directory's index if there is one; where it cannot be read, its shards are known by their names alone.
  static CheckpointFiles of(const std::filesystem::path& directory);

  // model.safetensors, the index, the codec, the folders of refinements (docs/format.md, section 9), files that the
  // index or config.json names, whatever they are called, and those called model-00001-of-00002.safetensors, which an
  // index of this or of an earlier checkpoint named.
  bool contains(const std::string& file_name) const;

 private:
  std::set<std::string> named_;  // by the index, or by config.json
};

// "refinement-2": the folder of a refinement, by its number (docs/format.md, section 9).
std::string refinement_folder(unsigned number);
// Whether a name is that of such a folder: a number of up to three digits.
bool is_refinement_folder(std::string_view file_name);

// "model-NNNNN-of-NNNNN.safetensors".
bool is_shard_name(std::string_view file_name);

}  // namespace nwc
