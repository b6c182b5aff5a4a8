#include "evaluate/windows.h"

#include <fmt/format.h>

#include <algorithm>

namespace nwc {

Status check_ids(std::span<const int32_t> ids, const ModelSpec& model) {
  const auto bad = std::find_if(ids.begin(), ids.end(), [&](int32_t id) { return id < 0 || id >= model.vocab_size; });
  if (bad == ids.end()) return {};
  return Error(ErrorCode::kInvalidArgument, fmt::format("token {} is id {}, outside the vocabulary of {}",
                                                        bad - ids.begin(), *bad, model.vocab_size))
      .remedy("tokenise with the tokenizer of this model");
}

Result<Windows> cut_windows(std::span<const int32_t> ids, const ModelSpec& model, const WindowOptions& options) {
  if (options.context < 2 || options.context > model.max_positions) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a context of {} tokens is asked for; it must lie between 2 and "
                             "the {} that the model was made for",
                             options.context, model.max_positions));
  }
  if (options.max_windows < 0) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("{} windows are asked for", options.max_windows));
  }
  const int64_t tokens = static_cast<int64_t>(ids.size());
  int64_t count = tokens / options.context;
  if (count == 0) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the text has {} tokens, fewer than one window of {}", tokens, options.context))
        .remedy("choose a shorter context or a longer text");
  }
  if (options.max_windows > 0) count = std::min(count, options.max_windows);
  const Windows windows{ids.first(static_cast<size_t>(count * options.context)), options.context, count};
  NWC_RETURN_IF_ERROR(check_ids(windows.ids, model));
  return windows;
}

}  // namespace nwc
