// Which context rule a tensor's stream names, and the contexts that it gives: the encoder's side of
// format/context_rule.h.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "codec/codec_file.h"
#include "format/context_rule.h"
#include "tensor/encode_options.h"
#include "weights/normalisation.h"
#include "weights/weight_matrix.h"

namespace nwc {

struct ContextChoice {
  ContextRule rule = ContextRule::kLevelChannel;
  std::shared_ptr<const StreamContexts> contexts;
  std::vector<std::byte> section;  // what a decoder reads of the rule, in front of the stream's own tables
};

ContextChoice choose_contexts(const WeightMatrix& weights, const WeightScales& scales, const DecoderCodec& codec,
                              const EncodeOptions& options);

}  // namespace nwc
