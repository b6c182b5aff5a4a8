// Directories that hold differences from another checkpoint: refinements and deltas (docs/format.md, section 9).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"

namespace nwc {

inline constexpr unsigned kMostLayers = 255;

struct Difference {
  enum class Kind : uint8_t { kRefinement, kDelta };
  Kind kind = Kind::kRefinement;
  uint64_t base = 0;      // identity of what it is added to
  unsigned layer = 1;     // of a refinement: its number. Of a delta: how many layers its base has
  std::string base_path;  // of a delta: where its base lies, seen from its own directory
};

// What the `__metadata__` of a difference directory's shards says. nullopt for other checkpoints. Errors: kCorrupt,
// kMismatch where shards say different things; they name the file.
Result<std::optional<Difference>> difference_of(const Checkpoint& checkpoint);

// The way back: adds its keys.
void add_metadata(const Difference& difference, std::map<std::string, std::string>& metadata);
// Whether a key is one of them.
bool is_difference_key(std::string_view key);

}  // namespace nwc
