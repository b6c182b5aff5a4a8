#include "tensor/context_choice.h"

#include "tensor/line_scales_coding.h"

namespace nwc {

Result<ContextChoice> choose_contexts(const WeightMatrix& weights, const TensorGuide& guide,
                                      const DecoderCodec& codec) {
  const CodecShape shape = shape_of(codec);
  if (!guide.lines) return ContextChoice{ContextRule::kLevelChannel, make_level_channel_contexts(shape), {}};
  ContextChoice choice{ContextRule::kScaleClasses, nullptr, code_line_scales(*guide.lines, codec.tables.set)};
  NWC_ASSIGN_OR_RETURN(choice.contexts,
                       make_scale_class_contexts({*guide.lines, weights.columns, weights.rows, shape.tables()}, shape));
  return choice;
}

}  // namespace nwc
