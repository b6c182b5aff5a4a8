#include "tensor/context_choice.h"

namespace nwc {

ContextChoice choose_contexts(const WeightMatrix&, const WeightScales&, const DecoderCodec& codec) {
  return {ContextRule::kLevelChannel, make_level_channel_contexts({codec.levels(), codec.latents()}), {}};
}

}  // namespace nwc
