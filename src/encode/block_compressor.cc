#include "encode/block_compressor.h"

namespace nwc {

PartContents PlainBlockCompressor::contents(const WorkItem& item, const Checkpoint&) const {
  PartContents contents;
  for (const WorkItem::Member& member : item.members) contents.compressed.push_back(member.tensor);
  return contents;
}

Status PlainBlockCompressor::compress(const WorkItem& item, const TensorCompressor& tensors, PartWriter& part, const Progress& progress) {
  uint64_t done = 0;
  for (const auto& [tensor, shard] : item.members) {
    NWC_RETURN_IF_ERROR(progress.check_stop());
    progress.at(done, item.bytes, tensor->name);
    Result<CompressedTensor> compressed = tensors.compress(*tensor, tensor->bytes);
    if (!compressed) return std::move(compressed).error().in_file(shard->path().string());
    NWC_RETURN_IF_ERROR(part.add(*compressed));
    shard->release(*tensor);
    done += tensor->bytes.size();
  }
  return {};
}

}  // namespace nwc
