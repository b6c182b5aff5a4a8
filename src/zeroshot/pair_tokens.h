// Token ids of a context and what is scored behind it, as lm-evaluation-harness has them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "evaluate/likelihoods.h"
#include "nwcodec/result.h"
#include "text/tokenizer.h"

namespace nwc {

// The tokens that stand for "nothing before", from a checkpoint's tokenizer_config.json, or else its
// special_tokens_map.json.
struct PrefixToken {
  std::optional<int32_t> id;  // bos_token, or else eos_token; none if there is neither
  std::string text;           // the id's text; empty for none
};
// Errors: of reading and parsing those files, of which either may be missing.
Result<PrefixToken> prefix_token_of(const std::filesystem::path& checkpoint, const Tokenizer& tokenizer);

// What lm-evaluation-harness 0.4 (TemplateLM._encode_pair and loglikelihood) gives a causal model to score:
// * White space at the context's end (Python's str.rstrip) moves to the continuation.
// * Context and continuation are tokenised as one string, the context alone too; the continuation's tokens are those of
//   the whole behind as many as the context has, and stand behind the context's own.
// * The tokenizer's special tokens are added as tokenizer.json says, unless the text begins with the prefix token's.
// * An empty context is the prefix token; if the continuation begins with that, its first token is the context.
// Errors: kInvalidArgument if the continuation has no token of its own, or the context is empty and there is no prefix
// token; those of Tokenizer::encode().
Result<ScoredTokens> encode_pair(const Tokenizer& tokenizer, const PrefixToken& prefix, std::string_view context,
                                 std::string_view continuation);

// Cuts tokens off the front until `max_positions` are read (one more is predicted). Returns how many were cut off.
// Error: kInvalidArgument if the scored tokens alone are more.
Result<int64_t> truncate_left(ScoredTokens& scored, int64_t max_positions);

}  // namespace nwc
