#include "tensor/context_choice.h"

#include "tensor/line_scales_coding.h"

namespace nwc {

Result<ContextChoice> choose_contexts(const WeightMatrix& weights, const TensorGuide& guide, const Encoder& encoder) {
  const DecoderCodec& codec = encoder.codec().parts();
  const LineScales none;
  ContextChoice choice;
  if (guide.lines) {
    choice.rule = encoder.by_lines();
    choice.section = code_line_scales(*guide.lines, codec.tables.set);
  }
  if (guide.lines && traits_of(choice.rule).trellis != codec.trellis.has_value())
    return Error(ErrorCode::kInvalidArgument, "the codec is for a table rule that does not go with its trellis");
  MakeContexts* const make = traits_of(choice.rule).make;
  NWC_ASSIGN_OR_RETURN(choice.contexts,
                       make(guide.lines ? *guide.lines : none, weights.columns, weights.rows, shape_of(codec)));
  return choice;
}

}  // namespace nwc
