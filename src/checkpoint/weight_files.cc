#include "checkpoint/weight_files.h"

#include <algorithm>
#include <array>

namespace nwc {

bool is_foreign_weight_file(std::string_view file_name) {
  constexpr std::string_view kIndexSuffix = ".index.json";
  constexpr std::array<std::string_view, 7> kSuffixes{".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack"};
  if (file_name.ends_with(kIndexSuffix)) file_name.remove_suffix(kIndexSuffix.size());
  return std::any_of(kSuffixes.begin(), kSuffixes.end(), [&](auto suffix) { return file_name.ends_with(suffix); });
}

}  // namespace nwc
