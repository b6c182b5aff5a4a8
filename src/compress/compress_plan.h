// What happens to each tensor of a checkpoint, decided before anything is written.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "nwcodec/checkpoint.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "weights/selection.h"

namespace nwc {

struct ShardPlan {
  const SafetensorsFile* file;
  std::vector<const TensorView*> compressed;  // by name
  std::vector<const TensorView*> plain;       // in file order
  uint64_t content = 0;                       // hash of all its bytes (checkpoint/content_hash.h)
};

struct CompressPlan {
  std::vector<ShardPlan> shards;
  uint64_t input_bytes = 0;       // of all tensors
  uint64_t compressed_bytes = 0;  // of the originals of those to be compressed
  uint64_t weights = 0;           // in them
  double squares = 0;             // of the weights
  uint64_t spared = 0;            // tensors that stay plain because of their values; a warning each
  std::vector<std::string> warnings;

  double rms() const { return weights > 0 ? std::sqrt(squares / static_cast<double>(weights)) : 0.0; }
};

// The unit of work, of resuming and of memory: the linear weights of one block, or a single tensor that stands in none.
// Blocks are told apart by the tensors' names (weights/tensor_name.h), so that this works on models of unknown families
// too.
struct WorkItem {
  std::string name;    // "model.layers.7", or the tensor's
  uint64_t begin = 0;  // bytes of the items before it
  uint64_t bytes = 0;  // of its tensors
  struct Member {
    const TensorView* tensor;
    const SafetensorsFile* shard;
  };
  std::vector<Member> members;  // by name
};

// Looks for weights that cannot be compressed. Tensors of which columns would be lost (weights/lost_columns.h) stay
// plain, with a warning. Errors: kNonFinite by tensor name, unless `keep_nonfinite`, which leaves such tensors plain
// with a warning; kInvalidArgument for a compressed checkpoint.
Result<CompressPlan> make_plan(const Checkpoint& checkpoint, const Selection& selection, bool keep_nonfinite,
                               int threads, const Progress& progress);

// Blocks in the order of their numbers, then the rest by name.
std::vector<WorkItem> work_items(const CompressPlan& plan);

}  // namespace nwc
