#include "compress/compress_warnings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace nwc {
namespace {

constexpr size_t kNamed = 3;

std::string some_of(const std::vector<std::string>& names) {
  const size_t named = std::min(kNamed, names.size());
  const std::string text =
      fmt::format("{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(named), ", "));
  return names.size() > named ? fmt::format("{} and {} more", text, names.size() - named) : text;
}

}  // namespace

std::optional<std::string> unseen_experts_warning(std::span<const CompressedTensorReport> tensors) {
  size_t matrices = 0;
  std::vector<std::string> names;
  for (const CompressedTensorReport& t : tensors) {
    const std::vector<size_t>& unseen = t.notes.unseen_matrices;
    if (unseen.empty()) continue;
    matrices += unseen.size();
    names.push_back(t.shape.size() == 3 ? fmt::format("{} [{}]", t.name, fmt::join(unseen, ", ")) : t.name);
  }
  if (matrices == 0) return std::nullopt;
  return fmt::format("no token reached {} experts' matrices in calibration, so that all their inputs count alike: {}",
                     matrices, some_of(names));
}

std::optional<std::string> mxfp4_warning(const Checkpoint& checkpoint) {
  static constexpr std::string_view kBlocks = "_blocks", kScales = "_scales";
  std::vector<std::string> names;
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    for (const TensorView& tensor : shard.tensors()) {
      if (tensor.dtype != DType::kU8 || tensor.shape.size() != 4 || !tensor.name.ends_with(kBlocks)) continue;
      const std::string name = tensor.name.substr(0, tensor.name.size() - kBlocks.size());
      if (checkpoint.find(name + std::string(kScales)).tensor != nullptr) names.push_back(name);
    }
  }
  if (names.empty()) return std::nullopt;
  return fmt::format(
      "{} tensors in MXFP4 stay as they are, with 4.25 bits per weight; to compress them too, store the checkpoint in "
      "BF16 first: {}",
      names.size(), some_of(names));
}

}  // namespace nwc
