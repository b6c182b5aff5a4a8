#include "compress/compress_plan.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <span>
#include <tuple>

#include "checkpoint/checksums.h"
#include "checkpoint/content_hash.h"
#include "checkpoint/quantised/stored_format.h"
#include "compress/compress_warnings.h"
#include "compress/weight_check.h"
#include "format/tiling.h"
#include "weights/not_compressed.h"
#include "weights/tensor_name.h"

namespace nwc {
namespace {

// Sorts items as people count them: (outside blocks, what stands before the number, the number).
using ItemKey = std::tuple<bool, std::string, uint32_t>;

ItemKey key_of(const std::string& name) {
  const TensorName parsed = TensorName::parse(name);
  if (!parsed.block) return {true, name, 0};
  return {false, std::string(parsed.stack), *parsed.block};
}

// All that decides what a tensor is decoded to, beside its own bytes. Returns the bytes of its scales.
uint64_t add_format(const StoredFormat& stored, DType dtype, ContentHash& content, int threads) {
  if (stored.subtrahend != nullptr) {
    const uint64_t identity = stored.subtrahend->identity();
    content.add(std::as_bytes(std::span(&identity, 1)), threads);
    const TensorView& from = *stored.minuend;
    return from.stored != nullptr ? add_format(*from.stored, from.dtype, content, threads) : 0;
  }
  const std::array<uint64_t, 4> format{static_cast<uint64_t>(dtype), stored.block_rows, stored.block_columns,
                                       stored.rounds_products};
  content.add(std::as_bytes(std::span(format)), threads);
  if (stored.scales == nullptr) return 0;
  content.add(stored.scales->bytes, threads);
  return stored.scales->bytes.size();
}

// Why a tensor that is selected stays plain, if it does: by its weights, or because of NaN that is to be kept.
Result<std::string> check_selected(const TensorView& tensor, bool stored_transposed, bool keep_nonfinite, int threads,
                                   CompressPlan& plan) {
  const Result<WeightCheck> check = check_weights(tensor, stored_transposed, threads);
  if (!check) {
    if (!keep_nonfinite || check.error().code() != ErrorCode::kNonFinite) return Error(check.error());
    return check.error().message();
  }
  if (check->obstacle.empty()) {
    plan.weights += check->weights;
    plan.squares += check->squares;
  }
  return check->obstacle;
}

}  // namespace

Result<CompressPlan> make_plan(const Checkpoint& checkpoint, const Selection& selection, bool keep_nonfinite,
                               int threads, const Progress& progress) {
  NWC_RETURN_IF_ERROR(check_not_compressed(checkpoint));
  CompressPlan plan;
  plan.warnings = checkpoint.notes();
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> of_selection, selection_warnings(checkpoint, selection));
  plan.warnings.insert(plan.warnings.end(), of_selection.begin(), of_selection.end());
  uint64_t checked = 0, total = 0;
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    for (const TensorView& tensor : checkpoint.tensors(shard)) total += tensor.bytes.size();
  }
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    // One that holds only what others replace, or scales, has nothing for the output.
    if (checkpoint.tensors(shard).empty() && !shard.tensors().empty()) continue;
    ShardPlan& shard_plan = plan.shards.emplace_back(ShardPlan{&shard, {}, {}, 0});
    ContentHash content;
    content.add(shard.header_bytes(), threads);
    for (const TensorView& tensor : checkpoint.tensors(shard)) {
      NWC_RETURN_IF_ERROR(progress.check_stop());
      progress.at(checked, total, "checking weights");
      checked += tensor.bytes.size();
      content.add(tensor.bytes, threads);
      if (tensor.stored != nullptr) plan.input_bytes += add_format(*tensor.stored, tensor.dtype, content, threads);
      if (tensor.name == kChecksumTensorName) continue;
      plan.input_bytes += tensor.bytes.size();
      Result<bool> wanted = selection.wants(tensor);
      if (!wanted) return std::move(wanted).error().in_file(shard.path().string());
      bool compress = *wanted;
      if (compress) {
        Result<std::string> obstacle =
            check_selected(tensor, selection.stored_transposed(tensor), keep_nonfinite, threads, plan);
        if (!obstacle) return std::move(obstacle).error().in_file(shard.path().string());
        compress = obstacle->empty();
        if (!compress) {
          ++plan.spared;
          plan.warnings.push_back(tensor.name + " is stored uncompressed: " + *obstacle);
          shard_plan.plain.push_back(&original_of(tensor));
          shard.release(tensor);
          continue;
        }
      }
      if (tensor.stored != nullptr && !*wanted) {  // rather found now than when everything else is done
        if (const auto values = values_of(tensor, threads); !values)
          return Error(values.error()).in_file(shard.path().string());
      }
      shard.release(tensor);
      (compress ? shard_plan.compressed : shard_plan.plain).push_back(&tensor);
      if (compress) plan.compressed_bytes += tensor.bytes.size();
    }
    shard_plan.content = content.value();
    std::sort(shard_plan.compressed.begin(), shard_plan.compressed.end(),
              [](const TensorView* a, const TensorView* b) { return a->name < b->name; });
  }
  return plan;
}

std::vector<WorkItem> work_items(const CompressPlan& plan) {
  std::map<ItemKey, WorkItem> by_key;
  for (const ShardPlan& shard : plan.shards) {
    for (const TensorView* tensor : shard.compressed) {
      const ItemKey key = key_of(tensor->name);
      WorkItem& item = by_key[key];
      const auto& [alone, before, number] = key;
      item.name = alone ? before : before + std::to_string(number);
      item.bytes += tensor->bytes.size();
      item.members.push_back({tensor, shard.file});
    }
  }
  std::vector<WorkItem> items;
  uint64_t begin = 0;
  for (auto& [key, item] : by_key) {
    item.begin = begin;
    begin += item.bytes;
    std::sort(item.members.begin(), item.members.end(),
              [](const auto& a, const auto& b) { return a.tensor->name < b.tensor->name; });
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace nwc
