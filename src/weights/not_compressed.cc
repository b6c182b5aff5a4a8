#include "weights/not_compressed.h"

#include "format/stream_header.h"

namespace nwc {

Status check_not_compressed(const Checkpoint& checkpoint) {
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    for (const TensorView& tensor : shard.tensors()) {
      if (!tensor.name.ends_with(kStreamSuffix) && !tensor.name.ends_with(kScalesSuffix) &&
          !tensor.name.ends_with(kLevelsSuffix))
        continue;
      return Error(ErrorCode::kInvalidArgument, "is part of a compressed checkpoint")
          .in_file(shard.path().string())
          .in_tensor(tensor.name)
          .remedy("give the original, or decompress this one first");
    }
  }
  return {};
}

}  // namespace nwc
