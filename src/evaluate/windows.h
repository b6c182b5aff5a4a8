// Cuts a token sequence into the windows of the GPTQ protocol: non-overlapping, all of one length, remainder dropped.
#pragma once

#include <cstdint>
#include <span>

#include "model/config/spec.h"
#include "nwcodec/result.h"

namespace nwc {

struct WindowOptions {
  int64_t context = 2048;   // tokens per window
  int64_t max_windows = 0;  // only the first so many; 0 means all
};

// The first `count` windows of `ids`, which the caller keeps alive.
struct Windows {
  std::span<const int32_t> ids;
  int64_t context = 0;
  int64_t count = 0;

  std::span<const int32_t> window(int64_t index) const { return ids.subspan(index * context, context); }
};

// Errors: kInvalidArgument if the context is shorter than 2 or longer than the model's, if there are fewer tokens than
// one window needs, or if an id is outside the vocabulary.
Result<Windows> cut_windows(std::span<const int32_t> ids, const ModelSpec& model, const WindowOptions& options);

// kInvalidArgument naming the first id outside [0, vocab_size).
Status check_ids(std::span<const int32_t> ids, const ModelSpec& model);

}  // namespace nwc
