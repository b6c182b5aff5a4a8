#include "compress/compress_warnings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "checkpoint/quantised/packed_formats.h"
#include "checkpoint/weight_choice.h"

namespace nwc {
namespace {

// Linear weights of a dtype that is not compressed.
struct Unconvertible {
  std::vector<std::string> names;
  std::set<std::string> dtypes;
};

Result<Unconvertible> unconvertible(const Checkpoint& checkpoint, const Selection& selection) {
  Unconvertible found;
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    for (const TensorView& tensor : checkpoint.tensors(shard)) {
      Result<bool> wanted = selection.wants_but_for_dtype(tensor);
      if (!wanted) return std::move(wanted).error().in_file(shard.path().string());
      if (!*wanted) continue;
      found.names.push_back(tensor.name);
      found.dtypes.emplace(name_of(tensor.dtype));
    }
  }
  return found;
}

std::vector<std::string> mxfp4_weights(const Checkpoint& checkpoint) {
  static constexpr std::string_view kBlocks = "_blocks", kScales = "_scales";
  std::vector<std::string> names;
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    for (const TensorView& tensor : checkpoint.tensors(shard)) {
      if (tensor.dtype != DType::kU8 || tensor.shape.size() != 4 || !tensor.name.ends_with(kBlocks)) continue;
      const std::string name = tensor.name.substr(0, tensor.name.size() - kBlocks.size());
      if (checkpoint.find(name + std::string(kScales)).tensor != nullptr) names.push_back(name);
    }
  }
  return names;
}

}  // namespace

std::optional<std::string> unseen_experts_warning(std::span<const TensorRecord> tensors) {
  size_t matrices = 0;
  std::vector<std::string> names;
  for (const TensorRecord& t : tensors) {
    if (!t.encoding || t.encoding->notes.unseen_matrices.empty()) continue;
    const std::vector<size_t>& unseen = t.encoding->notes.unseen_matrices;
    matrices += unseen.size();
    names.push_back(t.shape.size() == 3 ? fmt::format("{} [{}]", t.name, fmt::join(unseen, ", ")) : t.name);
  }
  if (matrices == 0) return std::nullopt;
  return fmt::format("no token reached {} experts' matrices in calibration, so that all their inputs count alike: {}",
                     matrices, some_of(names));
}

Result<std::vector<std::string>> selection_warnings(const Checkpoint& checkpoint, const Selection& selection) {
  NWC_ASSIGN_OR_RETURN(const Unconvertible other, unconvertible(checkpoint, selection));
  std::vector<std::string> warnings, guessed;
  const std::optional<PackedFormat> packed = packed_weights(checkpoint);
  const std::string remedy = packed ? std::string(packed->remedy) : "store the checkpoint in BF16 first";
  if (packed && other.names.empty()) {
    warnings.push_back(fmt::format("weights packed in {} stay as they are; to compress them too, {}: {}", packed->name,
                                   remedy, packed->tensor));
  } else if (!other.names.empty()) {
    warnings.push_back(fmt::format("{} linear weights in {}{} stay as they are; to compress them too, {}: {}",
                                   other.names.size(), fmt::join(other.dtypes, ", "),
                                   packed ? fmt::format(", packed in {},", packed->name) : std::string(), remedy,
                                   some_of(other.names)));
  }
  if (const std::vector<std::string> names = mxfp4_weights(checkpoint); !names.empty()) {
    warnings.push_back(
        fmt::format("{} tensors in MXFP4 stay as they are, with 4.25 bits per weight; to compress them too, "
                    "store the checkpoint in BF16 first: {}",
                    names.size(), some_of(names)));
  }
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    for (const TensorView& tensor : checkpoint.tensors(shard)) {
      Result<bool> wanted = selection.wants(tensor);
      if (!wanted) return std::move(wanted).error().in_file(shard.path().string());
      if (*wanted && !selection.storage_order(tensor).known) guessed.push_back(tensor.name);
    }
  }
  if (!guessed.empty()) {
    warnings.push_back(
        fmt::format("{} tensors are taken as [.., outputs, inputs], which is a guess for a model of this "
                    "type; the other order costs quality, not correctness: {}",
                    guessed.size(), some_of(guessed)));
  }
  return warnings;
}

Error nothing_to_compress(const Checkpoint& checkpoint, const Selection& selection) {
  const std::string file = checkpoint.directory().string();
  if (std::optional<Error> packed = packed_weights_error(checkpoint)) return *std::move(packed);
  std::vector<std::string> names = mxfp4_weights(checkpoint);
  std::set<std::string> dtypes;
  if (!names.empty()) dtypes.insert("MXFP4");
  const Result<Unconvertible> other = unconvertible(checkpoint, selection);
  if (!other) return other.error();
  names.insert(names.end(), other->names.begin(), other->names.end());
  dtypes.insert(other->dtypes.begin(), other->dtypes.end());
  if (names.empty()) {
    return Error(ErrorCode::kInvalidArgument, "has no linear weights to compress")
        .in_file(file)
        .remedy("name tensors with --include; --list says why each is left alone");
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("has linear weights in {} only: {}", fmt::join(dtypes, ", "), some_of(names)))
      .in_file(file)
      .remedy("store the checkpoint in BF16 first");
}

}  // namespace nwc
