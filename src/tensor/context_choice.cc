#include "tensor/context_choice.h"

namespace nwc {

ContextChoice choose_contexts(const WeightMatrix&, const WeightScales&, const DecoderCodec& codec,
                              const EncodeOptions&) {
  return {ContextRule::kLevelChannel, make_level_channel_contexts(shape_of(codec)), {}};
}

}  // namespace nwc
