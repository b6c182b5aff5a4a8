#include "tensor/context_choice.h"

#include "tensor/line_scales_coding.h"

namespace nwc {

Result<ContextChoice> choose_contexts(const WeightMatrix& weights, const TensorGuide& guide,
                                      const DecoderCodec& codec) {
  const CodecShape shape = shape_of(codec);
  if (!guide.lines) return ContextChoice{ContextRule::kLevelChannel, make_level_channel_contexts(shape), {}};
  const bool trellis = codec.trellis.has_value();
  ContextChoice choice{trellis ? ContextRule::kTrellis : ContextRule::kScaleClasses, nullptr,
                       code_line_scales(*guide.lines, codec.tables.set)};
  const auto make = trellis ? make_trellis_contexts : make_scale_class_contexts;
  NWC_ASSIGN_OR_RETURN(choice.contexts, make(*guide.lines, weights.columns, weights.rows, shape));
  return choice;
}

}  // namespace nwc
