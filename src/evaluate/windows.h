// Cuts a token sequence into windows, by a named protocol: non-overlapping, all of one length, remainder dropped.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "evaluate/sequence_pass.h"
#include "model/config/spec.h"
#include "nwcodec/result.h"

namespace nwc {

// What of a window counts. Numbers of different protocols must not be compared.
enum class Protocol {
  // As GPTQ's and most papers' scripts do it: every token of a window but its first.
  kGptq,
  // As llama.cpp's perplexity does it: the tokens behind position context / 2, so that each has at least half a window
  // before it; where the tokenizer begins texts with a token of its own, that takes the place of a window's first.
  kLlamaCpp,
};
std::string_view name_of(Protocol protocol);  // "gptq", "llama.cpp"

struct WindowOptions {
  int64_t context = 2048;   // tokens per window
  int64_t max_windows = 0;  // only the first so many; 0 means all
  Protocol protocol = Protocol::kGptq;
  std::optional<int32_t> first_token = {};  // kLlamaCpp: the token with which the tokenizer begins texts
};

// The first `count` windows of `ids`, which the caller keeps alive.
struct Windows {
  std::span<const int32_t> ids;
  int64_t context = 0;
  int64_t count = 0;
  int64_t first_scored = 1;  // the first token of a window that counts; the last always does
  std::optional<int32_t> first_token = {};

  // The tokens of a window that count.
  std::span<const int32_t> scored(int64_t index) const {
    return ids.subspan(static_cast<size_t>(index * context + first_scored), static_cast<size_t>(scored()));
  }
  int64_t scored() const { return context - first_scored; }
  // Where the predictions of those stand in a window's hidden states.
  int64_t first_position() const { return first_scored - 1; }
  // Windows [first, first + some), in batches of `rows` and a last one of fewer.
  std::vector<SequenceBatch> batches(int64_t first, int64_t some, int64_t rows) const;
};

// Errors: kInvalidArgument if the context is shorter than 2 (or leaves nothing to be scored) or longer than the
// model's, if there are fewer tokens than one window needs, or if an id is outside the vocabulary.
Result<Windows> cut_windows(std::span<const int32_t> ids, const ModelSpec& model, const WindowOptions& options);

// How windows go through models whose hidden sizes add up to `hidden_size`: `rows` in a batch, `windows` in a group of
// batches (batches_per_group()).
struct WindowGroups {
  int64_t rows = 1, windows = 1;
};
WindowGroups groups_of(const Windows& windows, int64_t hidden_size, bool resident);

// kInvalidArgument naming the first id outside [0, vocab_size).
Status check_ids(std::span<const int32_t> ids, const ModelSpec& model);

}  // namespace nwc
