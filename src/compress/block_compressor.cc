#include "compress/block_compressor.h"

#include <atomic>
#include <future>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "compress/tensor_loop.h"

namespace nwc {

PartContents PlainBlockCompressor::contents(const WorkItem& item, const Checkpoint&) const {
  PartContents contents;
  for (const WorkItem::Member& member : item.members) contents.compressed.push_back(member.tensor);
  return contents;
}

namespace {

// Adds the tensors of a work item to its part in their order, whatever the order in which they are done.
class InOrder {
 public:
  InOrder(const WorkItem& item, PartWriter& part) : item_(item), part_(part), waiting_(item.members.size()) {}

  Status add(size_t i, CompressedTensor tensor) {
    const std::lock_guard lock(mutex_);
    waiting_[i] = std::move(tensor);
    for (; next_ < waiting_.size() && waiting_[next_]; ++next_) {
      NWC_RETURN_IF_ERROR(part_.add(*waiting_[next_]));
      waiting_[next_].reset();
      const auto& [view, shard] = item_.members[next_];
      shard->release(*view);
      done_ += view->bytes.size();
    }
    return {};
  }
  uint64_t done() const { return done_; }  // bytes of originals

 private:
  const WorkItem& item_;
  PartWriter& part_;
  std::mutex mutex_;
  std::vector<std::optional<CompressedTensor>> waiting_;
  size_t next_ = 0;
  std::atomic<uint64_t> done_{0};
};

Result<CompressedTensor> compressed(const WorkItem::Member& member, const TensorCompressor& tensors) {
  NWC_ASSIGN_OR_RETURN(const TensorValues values, values_of(*member.tensor, tensors.threads()));
  Result<CompressedTensor> result = tensors.compress(*member.tensor, values.bytes);
  if (!result) return std::move(result).error().in_file(member.shard->path().string());
  return result;
}

// A tensor keeps a device busy: the next one is compressed while the last one is written.
Status compress_in_turn(const WorkItem& item, const TensorCompressor& tensors, InOrder& part,
                        const Progress& progress) {
  const auto begin = [&](size_t i) {
    return std::async(std::launch::async, [&, i] { return compressed(item.members[i], tensors); });
  };
  std::future<Result<CompressedTensor>> next;  // its destructor waits
  if (!item.members.empty()) next = begin(0);
  for (size_t i = 0; i < item.members.size(); ++i) {
    NWC_RETURN_IF_ERROR(progress.check_stop());
    progress.at(part.done(), item.bytes, item.members[i].tensor->name);
    NWC_ASSIGN_OR_RETURN(CompressedTensor tensor, next.get());
    if (i + 1 < item.members.size()) next = begin(i + 1);
    NWC_RETURN_IF_ERROR(part.add(i, std::move(tensor)));
  }
  return {};
}

// On the cores as many at a time as memory allows.
Status compress_together(const WorkItem& item, const TensorCompressor& tensors, InOrder& part,
                         const Progress& progress) {
  std::vector<uint64_t> bytes;
  for (const WorkItem::Member& member : item.members) bytes.push_back(tensors.working_bytes(*member.tensor));
  return parallel_for_at_once(item.members.size(), tensors_at_once(bytes, tensors.threads()), tensors.threads(),
                              [&](size_t i, int worker) -> Status {
                                NWC_RETURN_IF_ERROR(progress.check_stop());
                                // The calling thread is worker 0.
                                if (worker == 0) progress.at(part.done(), item.bytes, item.members[i].tensor->name);
                                NWC_ASSIGN_OR_RETURN(CompressedTensor tensor, compressed(item.members[i], tensors));
                                return part.add(i, std::move(tensor));
                              });
}

}  // namespace

Status PlainBlockCompressor::compress(const WorkItem& item, const TensorCompressor& tensors, PartWriter& writer,
                                      const Progress& progress) {
  InOrder part(item, writer);
  return tensors.on_device() ? compress_in_turn(item, tensors, part, progress)
                             : compress_together(item, tensors, part, progress);
}

}  // namespace nwc
