// How the tensors of one work item become compressed: one by one as they are, or, in src/recover, with training in
// between.
#pragma once

#include "checkpoint/run_identity.h"
#include "compress/compress_plan.h"
#include "compress/part_file.h"
#include "compress/tensor_compressor.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

// Thread safety: not shared between threads. A process asks for items in ascending order.
class BlockCompressor {
 public:
  virtual ~BlockCompressor() = default;
  // Which tensors compress() will give to the part, in which order.
  virtual PartContents contents(const WorkItem& item, const Checkpoint& checkpoint) const = 0;
  // Adds all of them. Progress is in bytes of the item's tensors.
  virtual Status compress(const WorkItem& item, const TensorCompressor& tensors, PartWriter& part,
                          const Progress& progress) = 0;
  // Adds all that decides about the result beside the checkpoint, the codec and the Hessians.
  virtual void identify(RunIdentity& identity) const = 0;
};

class PlainBlockCompressor : public BlockCompressor {
 public:
  PartContents contents(const WorkItem& item, const Checkpoint& checkpoint) const override;
  Status compress(const WorkItem& item, const TensorCompressor& tensors, PartWriter& part,
                  const Progress& progress) override;
  void identify(RunIdentity&) const override {}
};

}  // namespace nwc
