// What one call of Tokenizer::encode() may use, so that a hostile tokenizer.json can neither blow up a short text nor
// hang.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>

#include "nwcodec/limits.h"
#include "regex/budget.h"

namespace nwc::text {

// Belongs to one thread.
class Budget : public regex::Budget {
 public:
  // For a text of `bytes`.
  explicit Budget(size_t bytes, const std::atomic<bool>* stop = nullptr)
      : regex::Budget(bytes, stop),
        max_bytes_(std::min(bytes * limits::kMaxTextGrowth, 4 * limits::kMaxText) + kFreeGrowth) {}

  // How long the text may grow while it is normalised and split.
  size_t max_bytes() const { return max_bytes_; }

 private:
  static constexpr size_t kFreeGrowth = 64 << 10;
  size_t max_bytes_;
};

}  // namespace nwc::text
