// Hashes that stand for all bytes of a file in the identity of a run (checkpoint/run_identity.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nwcodec/checkpoint.h"

namespace nwc {

// The hash of a sequence of byte strings: XXH3 over the XXH3s of their pieces of 16 MiB, so that many threads share a
// string. The value does not depend on their number. Not thread-safe.
class ContentHash {
 public:
  // threads <= 0: all cores.
  void add(std::span<const std::byte> bytes, int threads);
  uint64_t value() const;

 private:
  std::vector<uint64_t> hashes_;
};

// Of all bytes of the file, which are read once and released.
uint64_t content_hash(const SafetensorsFile& file, int threads);

// Of the file's header and the checksums it carries (checkpoint/checksums.h), against which whoever uses a tensor of
// such a file checks its bytes: costs no pass over the data. Of all bytes where there are no checksums.
uint64_t checksummed_content_hash(const SafetensorsFile& file, int threads);

}  // namespace nwc
