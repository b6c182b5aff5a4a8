// Which context rule a tensor's stream names, and the contexts that it gives: the encoder's side of
// format/context_rule.h.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "codec/encode/encoder.h"
#include "format/context_rule.h"
#include "guide/guide.h"
#include "nwcodec/result.h"
#include "weights/weight_matrix.h"

namespace nwc {

struct ContextChoice {
  ContextRule rule = ContextRule::kLevelChannel;
  std::shared_ptr<const StreamContexts> contexts;
  std::vector<std::byte> section;  // what a decoder reads of the rule, in front of the stream's own tables
};

// Where the guide has line scales, the rule that the encoder's codec is for; else levels and channels. Errors: kCorrupt
// for a codec that the rule does not fit; kInvalidArgument for one with a trellis and a rule without, or the reverse.
Result<ContextChoice> choose_contexts(const WeightMatrix& weights, const TensorGuide& guide, const Encoder& encoder);

}  // namespace nwc
