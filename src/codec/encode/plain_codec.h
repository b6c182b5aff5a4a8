// A codec without a transform: a weight is its latent, and line scales name its tables (format/line_scales.h). For
// quantisation whose steps differ from weight to weight, where a transform that was trained on chunks of one
// spread has nothing to say.
#pragma once

#include "codec/encode/encoder_codec.h"
#include "entropy/trellis.h"
#include "format/rule_table.h"

namespace nwc {

// Levels that all do the same and chunks as the rule's row says (format/rule_table.h), and a table for each level and
// weight of a chunk: that of Gaussian weights whose spread over step is 2^(octaves + (t - centre) / 4), where t is the
// sum of the classes of column and row that name it; under rule 1 its number. `rule`: one with line scales and without
// a trellis.
EncoderCodec plain_codec(int centre, double octaves, ContextRule rule = ContextRule::kScaleClasses);

// The same for integers that follow a trellis (docs/format.md, section 8): chunks are its paths, and each union has a
// table for each class.
EncoderCodec trellis_codec(const Trellis& trellis, int centre, double octaves);

}  // namespace nwc
