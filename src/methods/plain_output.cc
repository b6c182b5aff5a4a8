#include "methods/plain_output.h"

#include <bit>
#include <utility>

#include "checkpoint/quantised/stored_format.h"
#include "checkpoint/side_files.h"
#include "format/checkpoint_config.h"

namespace nwc {

// Weights are stored as they lie in memory.
static_assert(std::endian::native == std::endian::little);

Result<PlainOutput> PlainOutput::create(const MethodModel& model, const std::filesystem::path& output,
                                        std::set<std::string> replaced, const std::vector<Added>& added) {
  const Checkpoint& checkpoint = model.checkpoint();
  for (const std::string& name : replaced) {
    if (checkpoint.find(name).tensor == nullptr) return Error(ErrorCode::kNotFound, "is not there").in_tensor(name);
  }
  NWC_ASSIGN_OR_RETURN(ResumableDirectory directory,
                       ResumableDirectory::open({.path = output, .inputs = {model.directory()}},
                                                RunIdentity("study compare: a checkpoint")));
  PlainOutput out(model, std::move(directory), std::move(replaced));
  for (const SafetensorsFile& file : checkpoint.shards()) {
    const std::string name = file.path().filename().string();
    std::vector<PlannedTensor> planned;
    for (const TensorView& tensor : checkpoint.tensors(file)) {
      const bool is_replaced = out.replaced_.contains(tensor.name);
      if (is_replaced) out.shard_of_.emplace(tensor.name, out.shards_.size());
      planned.push_back({tensor.name, is_replaced ? DType::kF32 : tensor.dtype, tensor.shape});
    }
    if (&file == &checkpoint.shards().back()) {
      for (const Added& tensor : added) {
        out.shard_of_.emplace(tensor.name, out.shards_.size());
        planned.push_back({tensor.name, DType::kF32, tensor.shape});
      }
    }
    for (const PlannedTensor& tensor : planned) out.weight_map_.emplace(tensor.name, name);
    NWC_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                         SafetensorsWriter::create(output / name, std::move(planned), {}, file.metadata(), {}));
    out.shards_.push_back({&file, name, std::move(writer)});
  }
  return out;
}

Status PlainOutput::put(const std::string& name, std::span<const float> values) {
  const auto shard = shard_of_.find(name);
  if (shard == shard_of_.end()) return Error(ErrorCode::kInvalidArgument, "is not to be replaced").in_tensor(name);
  const std::lock_guard lock(*writing_);
  return shards_[shard->second].writer.write(name, 0, std::as_bytes(values));
}

Status PlainOutput::finish() {
  const Checkpoint& checkpoint = model_->checkpoint();
  uint64_t total_size = 0;
  for (Shard& shard : shards_) {
    for (const TensorView& tensor : checkpoint.tensors(*shard.file)) {
      if (replaced_.contains(tensor.name)) continue;
      NWC_ASSIGN_OR_RETURN(const TensorValues values, values_of(tensor, 1));
      NWC_RETURN_IF_ERROR(shard.writer.write(tensor.name, 0, values.bytes));
    }
    total_size += shard.writer.data_bytes();
    NWC_RETURN_IF_ERROR(shard.writer.finish());
  }
  if (checkpoint.has_index()) NWC_RETURN_IF_ERROR(write_index(directory_.path(), total_size, weight_map_));
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> dropped,
                       copy_side_files(model_->directory(), directory_.path(), {"config.json"}));
  NWC_RETURN_IF_ERROR(
      write_decoded_config(model_->directory(), directory_.path(),
                           {.quantisation = checkpoint.decodes_quantised(), .float64 = checkpoint.narrows_f64()}));
  return directory_.finish();
}

}  // namespace nwc
