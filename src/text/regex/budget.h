// What one call of Tokenizer::encode() may use, so that a hostile tokenizer.json can neither blow up a short text nor
// hang.
#pragma once

#include <cstddef>

namespace nwc::text {

// Belongs to one thread.
class Budget {
 public:
  // For a text of `bytes`.
  explicit Budget(size_t bytes);

  // How long the text may grow while it is normalised and split.
  size_t max_bytes() const { return max_bytes_; }

  // Whether limits::kMaxRegexSeconds are over. tick() is cheap and looks at the clock only now and then.
  bool out_of_time() const;
  bool tick() { return ++ticks_ % kTicksPerLook == 0 && out_of_time(); }

 private:
  static constexpr unsigned kTicksPerLook = 256;
  size_t max_bytes_;
  double deadline_;  // processor time of this thread: other work on the machine makes no text fail
  unsigned ticks_ = 0;
};

}  // namespace nwc::text
