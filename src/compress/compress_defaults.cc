#include "compress/compress_defaults.h"

#include "codec/encode/trellis_codes.h"
#include "guide/hessian_store.h"

namespace nwc {

Status settle_guide(const OpenOptions& open, bool asks_for_a_rate, CompressOptions& options) {
  GuideOptions& guide = options.guide;
  if (options.hessians.empty() || !asks_for_a_rate) return {};
  if (!open.steps && guide.steps != StepRule::kSensitivity) return {};
  NWC_ASSIGN_OR_RETURN(const HessianStore hessians, HessianStore::open(options.hessians));
  if (open.steps && hessians.has_gradients()) guide.steps = StepRule::kSensitivity;
  if (guide.steps == StepRule::kSensitivity && hessians.has_output_side() && open.feedback)
    guide.feedback = Feedback::kTwoSided;
  return {};
}

Status settle_encoding(const OpenOptions& open, CompressOptions& options) {
  EncodeOptions& encode = options.encode;
  // Feedback sees the input side only; rows that are small because their partners elsewhere are large need factors of
  // their own.
  if (open.normalisation && !options.hessians.empty()) encode.normalisation.kind = Normalisation::kBoth;
  if (options.guide.steps != StepRule::kSensitivity) {
    if (open.trellis || encode.trellis_states == 0) return {};
    return Error(ErrorCode::kInvalidArgument, "--trellis needs steps by sensitivity")
        .remedy("calibrate with gradients and give --bits or --size, or leave out --trellis");
  }
  if (open.trellis) encode.trellis_states = kDefaultTrellisStates;
  if (open.rate_weight) encode.rate_weight = best_rate_weight(encode.trellis_states);
  if (open.tile_chunks && encode.trellis_states > 0) encode.tile_chunks = kTrellisTileChunks;
  return {};
}

}  // namespace nwc
