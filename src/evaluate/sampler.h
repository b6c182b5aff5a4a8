// Picks the next token from logits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

#include "nwcodec/result.h"

namespace nwc {

struct SamplingOptions {
  double temperature = 0;  // 0: always the likeliest token
  int64_t top_k = 0;       // only among the so many likeliest; 0: among all
  uint64_t seed = 0;
};

// The same options and logits give the same tokens on every machine whose exp() agrees. Not thread-safe.
class Sampler {
 public:
  // Errors: kInvalidArgument for a temperature that is negative or not finite, or a negative top_k.
  static Result<Sampler> create(const SamplingOptions& options);
  // An index into logits, which must not be empty; of equal logits the lower index counts as likelier.
  // Error: kNonFinite for a logit that is not finite.
  Result<int32_t> next(std::span<const float> logits);

 private:
  explicit Sampler(const SamplingOptions& options) : options_(options), random_(options.seed) {}
  SamplingOptions options_;
  std::mt19937_64 random_;
};

}  // namespace nwc
