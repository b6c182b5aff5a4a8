// A plain checkpoint whose linear weights a method has replaced, for every program that evaluates models.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/index.h"
#include "checkpoint/resumable_directory.h"
#include "checkpoint/safetensors_writer.h"
#include "methods/method_model.h"
#include "nwcodec/result.h"

namespace nwc {

// Replaced and added tensors are F32, so that nothing rounds what a method decoded; all others are copied as they are.
// Thread safety: put() may be called from several threads at once.
class PlainOutput {
 public:
  struct Added {
    std::string name;
    std::vector<uint64_t> shape;
  };
  // `replaced`: by name, of the model's tensors. `added`: tensors that the model has not, in its last file. Errors:
  // kExists, kBusy, kIo; kNotFound for a replaced tensor that the model has not.
  static Result<PlainOutput> create(const MethodModel& model, const std::filesystem::path& output,
                                    std::set<std::string> replaced, const std::vector<Added>& added = {});

  // A whole tensor's values in storage order. Errors: kIo; kInvalidArgument for a tensor that was not announced, that
  // was put before, or of another size.
  Status put(const std::string& name, std::span<const float> values);
  // The tensors that stay, the files beside the weights, the index. Errors: kIo; kInvalidArgument, naming a tensor that
  // was announced and never put.
  Status finish();

 private:
  struct Shard {
    const SafetensorsFile* file;
    std::string name;
    SafetensorsWriter writer;
  };
  PlainOutput(const MethodModel& model, ResumableDirectory directory, std::set<std::string> replaced)
      : model_(&model), directory_(std::move(directory)), replaced_(std::move(replaced)) {}

  const MethodModel* model_;
  ResumableDirectory directory_;
  std::set<std::string> replaced_;
  std::vector<Shard> shards_;
  std::map<std::string, size_t> shard_of_;  // of replaced and added tensors
  WeightMap weight_map_;
  std::unique_ptr<std::mutex> writing_ = std::make_unique<std::mutex>();
};

}  // namespace nwc
