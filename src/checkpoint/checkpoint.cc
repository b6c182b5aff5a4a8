#include "nwcodec/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/exceptions.h"
#include "checkpoint/checkpoint_path.h"
#include "checkpoint/checksums.h"
#include "checkpoint/index.h"
#include "checkpoint/quantised/decoded_tensors.h"
#include "checkpoint/weight_choice.h"
#include "checkpoint/weight_files.h"
#include "nwcodec/limits.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

// Opens the chosen files, in the order of their names.
Result<std::vector<SafetensorsFile>> open_shards(const fs::path& directory, const WeightChoice& choice) {
  if (choice.files.size() > limits::kMaxShards) {
    return Error(ErrorCode::kLimit,
                 fmt::format("names {} shards; the limit is {}", choice.files.size(), limits::kMaxShards))
        .in_file((directory / kIndexFileName).string());
  }
  std::vector<SafetensorsFile> shards;
  shards.reserve(choice.files.size());
  for (const std::string& name : choice.files) {
    Result<SafetensorsFile> shard = SafetensorsFile::open(directory / name);
    if (!shard && choice.index && shard.error().code() == ErrorCode::kNotFound) {
      return std::move(shard).error().remedy("the index names this shard: fetch it");
    }
    if (!shard) return std::move(shard).error();
    shards.push_back(*std::move(shard));
  }
  return shards;
}

// Where index and shards disagree, as sentences; an error for a tensor that no shard holds. Of a compressed checkpoint,
// whose index and shards one program has written, every difference is one.
class IndexCheck {
 public:
  IndexCheck(const fs::path& directory, const WeightMap& index, bool compressed)
      : directory_(directory), index_(index), compressed_(compressed) {}

  // The tensor that `shard` gives. Called for the tensors that are there, once each.
  Status found(const TensorView& tensor, const SafetensorsFile& shard) {
    const auto entry = index_.find(tensor.name);
    const bool elsewhere = entry != index_.end() && entry->second != shard.path().filename().native();
    if (compressed_ && (elsewhere || entry == index_.end())) {
      return Error(ErrorCode::kMismatch, elsewhere ? fmt::format("the index says that it stands in {}", entry->second)
                                                   : "the index does not mention it")
          .in_file(shard.path().string())
          .in_tensor(tensor.name)
          .at_offset(tensor.file_offset)
          .remedy("fetch the compressed checkpoint again");
    }
    if (entry == index_.end()) {
      unmentioned_.push_back(tensor.name);
      return {};
    }
    ++mentioned_;
    if (elsewhere) elsewhere_.push_back(tensor.name);
    return {};
  }

  Status finish(const Checkpoint& checkpoint, std::vector<std::string>& notes) const {
    if (mentioned_ < index_.size()) {
      for (const auto& [tensor, file] : index_) {
        if (checkpoint.find(tensor).tensor != nullptr || tensor == kChecksumTensorName) continue;
        return Error(ErrorCode::kMismatch, "the index says that this file holds it, but it does not")
            .in_file((directory_ / file).string())
            .in_tensor(tensor)
            .remedy("fetch this shard again, or take the tensor out of the index if the model has none");
      }
    }
    const auto note = [&](const std::vector<std::string>& names, const char* what) {
      if (!names.empty()) notes.push_back(fmt::format("{} tensors {}: {}", names.size(), what, some_of(names)));
    };
    note(unmentioned_, "that the index does not mention are read, as they stand in its shards");
    note(elsewhere_, "are read from another shard than the index says, the last that holds them");
    return {};
  }

 private:
  const fs::path& directory_;
  const WeightMap& index_;
  bool compressed_;
  std::vector<std::string> unmentioned_, elsewhere_;
  size_t mentioned_ = 0;
};

}  // namespace

Result<Checkpoint> Checkpoint::open(const fs::path& directory) {
  return catch_exceptions([&] { return open_checked(directory); });
}

Result<Checkpoint> Checkpoint::open_checked(const fs::path& directory) {
  NWC_RETURN_IF_ERROR(check_is_directory(directory));
  Checkpoint checkpoint;
  checkpoint.directory_ = directory;
  NWC_ASSIGN_OR_RETURN(WeightChoice choice, choose_weights(directory));
  if (choice.files.empty()) return no_weights(directory);
  checkpoint.has_index_ = choice.index.has_value();
  checkpoint.unread_files_ = std::move(choice.others);
  if (!choice.passed_over.empty()) {
    checkpoint.notes_.push_back(
        fmt::format("{} files of other weights are passed over, as {} gives all: {}", choice.passed_over.size(),
                    choice.index ? std::string(kIndexFileName) : choice.files[0], some_of(choice.passed_over)));
  }
  NWC_ASSIGN_OR_RETURN(checkpoint.shards_, open_shards(directory, choice));

  std::error_code failure;
  const bool compressed = fs::exists(directory / kCodecFileName, failure);
  size_t tensors = 0, replaced = 0;
  for (const SafetensorsFile& shard : checkpoint.shards_) tensors += shard.tensors().size();
  checkpoint.by_name_.reserve(tensors);
  bool decodable = false;
  for (const SafetensorsFile& shard : checkpoint.shards_) {
    for (const TensorView& tensor : shard.tensors()) {
      if (tensor.name == kChecksumTensorName) continue;
      decodable = decodable || may_be_decoded(tensor);
      const auto [place, is_new] = checkpoint.by_name_.try_emplace(tensor.name, Location{&tensor, &shard});
      if (is_new) continue;
      if (compressed) {
        return Error(ErrorCode::kMismatch,
                     fmt::format("stands in {} too", place->second.shard->path().filename().string()))
            .in_file(shard.path().string())
            .in_tensor(tensor.name)
            .at_offset(tensor.file_offset)
            .remedy("fetch the compressed checkpoint again");
      }
      place->second = {&tensor, &shard};
      ++replaced;
    }
  }
  if (replaced > 0) {
    checkpoint.notes_.push_back(
        fmt::format("{} tensors stand in several shards; of each, the last shard's is taken", replaced));
  }
  if (choice.index) {
    IndexCheck check(directory, *choice.index, compressed);
    for (const SafetensorsFile& shard : checkpoint.shards_) {
      for (const TensorView& tensor : shard.tensors()) {
        if (tensor.name == kChecksumTensorName) continue;
        if (replaced == 0 || checkpoint.find(tensor.name).tensor == &tensor)
          NWC_RETURN_IF_ERROR(check.found(tensor, shard));
      }
    }
    NWC_RETURN_IF_ERROR(check.finish(checkpoint, checkpoint.notes_));
  }
  decodable = decodable && !compressed;
  if (replaced > 0 || decodable) NWC_RETURN_IF_ERROR(checkpoint.change_tensors(decodable));
  return checkpoint;
}

Status Checkpoint::change_tensors(bool decode) {
  std::vector<std::vector<TensorView>> tensors(shards_.size());
  for (size_t s = 0; s < shards_.size(); ++s) {
    for (const TensorView& tensor : shards_[s].tensors()) {
      if (tensor.name == kChecksumTensorName || by_name_.at(tensor.name).tensor == &tensor)
        tensors[s].push_back(tensor);
    }
  }
  if (decode) {
    NWC_ASSIGN_OR_RETURN(DecodedTensors decoded,
                         decode_tensors(directory_, shards_, std::move(tensors),
                                        [&](const std::string& name) { return find(name).tensor; }));
    tensors = std::move(decoded.shards);
    notes_.insert(notes_.end(), decoded.notes.begin(), decoded.notes.end());
    decodes_quantised_ = decoded.quantised;
    narrows_f64_ = decoded.f64;
  }
  show(std::move(tensors));
  return {};
}

void Checkpoint::show(std::vector<std::vector<TensorView>> tensors) {
  changed_ = std::move(tensors);
  by_name_.clear();
  for (size_t s = 0; s < shards_.size(); ++s) {
    for (const TensorView& tensor : changed_[s]) {
      if (tensor.name != kChecksumTensorName) by_name_.emplace(tensor.name, Location{&tensor, &shards_[s]});
    }
  }
}

const std::vector<TensorView>& Checkpoint::tensors(const SafetensorsFile& shard) const {
  return changed_.empty() ? shard.tensors() : changed_[static_cast<size_t>(&shard - shards_.data())];
}

Checkpoint::Location Checkpoint::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? Location{} : found->second;
}

}  // namespace nwc
