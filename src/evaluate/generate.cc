#include "evaluate/generate.h"

#include <fmt/format.h>

#include <algorithm>

#include "evaluate/windows.h"
#include "libtorch/foreign.h"
#include "libtorch/tensors.h"

namespace nwc {
namespace {

// The logits after the last of `ids`, which continue what the cache holds: float32 [vocab_size], on the CPU.
Result<at::Tensor> next_logits(const CausalLm& model, std::span<const int32_t> ids, KvCache* cache,
                               const Steps& steps) {
  NWC_ASSIGN_OR_RETURN(const auto embedding, model.embedding());
  at::Tensor hidden =
      embedding->forward(torch::tensor(at::ArrayRef<int32_t>(ids.data(), ids.size()), torch::kInt64).unsqueeze(0));
  for (size_t i = 0; i < model.blocks(); ++i) {
    NWC_RETURN_IF_ERROR(steps.check());
    NWC_ASSIGN_OR_RETURN(const auto block, model.block(i));
    hidden = block->forward(hidden, {&(*cache)[i], {}});
  }
  NWC_ASSIGN_OR_RETURN(const auto head, model.head());
  return head->forward(hidden.select(0, 0).select(0, hidden.size(1) - 1)).cpu().contiguous();
}

Result<GenerateResult> run(const CausalLm& model, std::span<const int32_t> prompt, const GenerateOptions& options,
                           const Progress& progress) {
  const torch::NoGradGuard no_gradients;
  NWC_ASSIGN_OR_RETURN(Sampler sampler, Sampler::create(options.sampling));
  const std::vector<int32_t>& stop_ids = options.stop_ids ? *options.stop_ids : model.spec().eos_token_ids;
  Steps steps(progress, options.max_new_tokens, "generating");
  KvCache cache(model.blocks());
  std::span<const int32_t> input = prompt;
  std::vector<int32_t> so_far(prompt.begin(), prompt.end());
  const std::optional<int64_t> other_angles = length_of_other_angles(model.spec());
  int32_t token = 0;
  GenerateResult result;
  while (static_cast<int64_t>(result.tokens.size()) < options.max_new_tokens) {
    if (!result.tokens.empty() && cache[0].length() + 1 > model.spec().max_positions) {
      result.stop = GenerateResult::Stop::kContextFull;
      return result;
    }
    if (other_angles && static_cast<int64_t>(so_far.size()) == *other_angles && !result.tokens.empty()) {
      cache = KvCache(model.blocks());  // what was computed by the angles of shorter sequences
      input = so_far;
    }
    NWC_ASSIGN_OR_RETURN(const at::Tensor logits, next_logits(model, input, &cache, steps));
    NWC_ASSIGN_OR_RETURN(token, sampler.next({logits.data_ptr<float>(), static_cast<size_t>(logits.numel())}));
    if (std::find(stop_ids.begin(), stop_ids.end(), token) != stop_ids.end()) {
      result.stop = GenerateResult::Stop::kEndOfSequence;
      return result;
    }
    result.tokens.push_back(token);
    so_far.push_back(token);
    if (options.on_token) options.on_token(token);
    NWC_RETURN_IF_ERROR(steps.advance(1));
    input = {&token, 1};
  }
  return result;
}

}  // namespace

Result<GenerateResult> generate(const CausalLm& model, std::span<const int32_t> prompt, const GenerateOptions& options,
                                const Progress& progress) {
  if (prompt.empty()) {
    return Error(ErrorCode::kInvalidArgument, "the prompt has no tokens").remedy("begin with at least one token");
  }
  if (static_cast<int64_t>(prompt.size()) > model.spec().max_positions) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("the prompt has {} tokens; the model was made for {}",
                                                          prompt.size(), model.spec().max_positions));
  }
  if (options.max_new_tokens < 0) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("{} new tokens are asked for", options.max_new_tokens));
  }
  NWC_RETURN_IF_ERROR(check_ids(prompt, model.spec()));
  return catch_foreign("generating text", [&] { return run(model, prompt, options, progress); });
}

}  // namespace nwc
