#include "compress/block_compressor.h"

#include <future>

namespace nwc {

PartContents PlainBlockCompressor::contents(const WorkItem& item, const Checkpoint&) const {
  PartContents contents;
  for (const WorkItem::Member& member : item.members) contents.compressed.push_back(member.tensor);
  return contents;
}

// The next tensor is compressed while the last one is written.
Status PlainBlockCompressor::compress(const WorkItem& item, const TensorCompressor& tensors, PartWriter& part,
                                      const Progress& progress) {
  const auto begin = [&](size_t i) {
    const TensorView* const tensor = item.members[i].tensor;
    return std::async(std::launch::async, [&tensors, tensor]() -> Result<CompressedTensor> {
      NWC_ASSIGN_OR_RETURN(const TensorValues values, values_of(*tensor, tensors.threads()));
      return tensors.compress(*tensor, values.bytes);
    });
  };
  uint64_t done = 0;
  std::future<Result<CompressedTensor>> next;  // its destructor waits
  if (!item.members.empty()) next = begin(0);
  for (size_t i = 0; i < item.members.size(); ++i) {
    const auto& [tensor, shard] = item.members[i];
    NWC_RETURN_IF_ERROR(progress.check_stop());
    progress.at(done, item.bytes, tensor->name);
    Result<CompressedTensor> compressed = next.get();
    if (!compressed) return std::move(compressed).error().in_file(shard->path().string());
    if (i + 1 < item.members.size()) next = begin(i + 1);
    NWC_RETURN_IF_ERROR(part.add(*compressed));
    shard->release(*tensor);
    done += tensor->bytes.size();
  }
  return {};
}

}  // namespace nwc
