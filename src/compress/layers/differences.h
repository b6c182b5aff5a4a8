// What a compression stores where another checkpoint lies below it: refinements and deltas (docs/format.md, section 9).
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "decode/layered_store.h"
#include "format/difference.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"
#include "weights/selection.h"

namespace nwc {

// The checkpoint below.
struct DifferenceBase {
  std::shared_ptr<const LayeredStore> store;  // compressed
  Difference difference;                      // what the output's shards will say
  // Of a delta: the model that the base was compressed from, if it is at hand: what is equal to it costs nothing.
  std::filesystem::path original;

  bool refines() const { return difference.kind == Difference::Kind::kRefinement; }
};

// All layers of `directory`. Errors: those of opening it; kInvalidArgument if it is not compressed, or itself a delta.
Result<DifferenceBase> base_of_delta(const std::filesystem::path& directory, const std::filesystem::path& output);
// The layers of `directory` that are there; the refinement is the next one.
Result<DifferenceBase> base_of_refinement(const std::filesystem::path& directory, unsigned number);

struct DifferencesTaken {
  uint64_t differences = 0;      // tensors of which a difference is stored
  uint64_t whole = 0;            // stored as without a base: of another shape, or new
  uint64_t unchanged = 0;        // not stored: the base's serve
  uint64_t unchanged_bytes = 0;  // of those in the checkpoint
  std::vector<std::string> warnings;
};

// Makes the checkpoint show what is to be stored: differences, in F32, of those tensors that are selected and that the
// base has; of a refinement, of those that the base has compressed. What the base gives as it is, is not shown.
// `checkpoint` refers to `base` from then on. Errors: kMismatch for a tensor of the base that the checkpoint lacks,
// for a base with which nothing can be shared, and for an original that is not the base's; those of reading.
Result<DifferencesTaken> take_differences(Checkpoint& checkpoint, const DifferenceBase& base,
                                          const Selection& selection, int threads);

}  // namespace nwc
