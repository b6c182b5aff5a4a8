#include "evaluate/windows.h"

#include <fmt/format.h>

#include <algorithm>

namespace nwc {

std::string_view name_of(Protocol protocol) { return protocol == Protocol::kGptq ? "gptq" : "llama.cpp"; }

Status check_ids(std::span<const int32_t> ids, const ModelSpec& model) {
  const auto bad = std::find_if(ids.begin(), ids.end(), [&](int32_t id) { return id < 0 || id >= model.vocab_size; });
  if (bad == ids.end()) return {};
  return Error(ErrorCode::kInvalidArgument, fmt::format("token {} is id {}, outside the vocabulary of {}",
                                                        bad - ids.begin(), *bad, model.vocab_size))
      .remedy("tokenise with the tokenizer of this model");
}

std::vector<SequenceBatch> Windows::batches(int64_t first, int64_t some, int64_t rows) const {
  std::vector<SequenceBatch> batches;
  for (int64_t at = first; at < first + some; at += rows) {
    SequenceBatch& batch = batches.emplace_back();
    batch.rows = std::min(rows, first + some - at);
    const auto tokens = ids.subspan(static_cast<size_t>(at * context), static_cast<size_t>(batch.rows * context));
    batch.ids.assign(tokens.begin(), tokens.end());
    for (int64_t row = 0; first_token && row < batch.rows; ++row)
      batch.ids[static_cast<size_t>(row * context)] = *first_token;
  }
  return batches;
}

WindowGroups groups_of(const Windows& windows, int64_t hidden_size, bool resident) {
  const int64_t rows = std::clamp<int64_t>(kTokensPerBatch / windows.context, 1, windows.count);
  const auto batches = static_cast<int64_t>(batches_per_group(rows * windows.context, hidden_size, resident));
  return {rows, std::min(rows * batches, windows.count)};
}

Result<Windows> cut_windows(std::span<const int32_t> ids, const ModelSpec& model, const WindowOptions& options) {
  const bool second_half = options.protocol == Protocol::kLlamaCpp;
  const int64_t least = second_half ? 4 : 2;
  if (options.context < least || options.context > model.max_positions) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a context of {} tokens is asked for; it must lie between {} and "
                             "the {} that the model was made for",
                             options.context, least, model.max_positions));
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
  const Windows windows{.ids = ids.first(static_cast<size_t>(count * options.context)),
                        .context = options.context,
                        .count = count,
                        .first_scored = second_half ? options.context / 2 + 1 : 1,
                        .first_token = second_half ? options.first_token : std::nullopt};
  NWC_RETURN_IF_ERROR(check_ids(windows.ids, model));
  if (windows.first_token) NWC_RETURN_IF_ERROR(check_ids({&*windows.first_token, 1}, model));
  return windows;
}

}  // namespace nwc
