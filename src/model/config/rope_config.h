// Rotary embedding parameters from config.json, in both of its forms.
#pragma once

#include <cstdint>
#include <optional>

#include "model/config/block_spec.h"
#include "model/config/config.h"

namespace nwc {

inline constexpr double kDefaultRopeTheta = 10000;

// What a family knows about its rotary embedding that config.json does not say.
struct RopeRules {
  double theta = kDefaultRopeTheta;  // where there is none
  std::optional<double> partial;     // share of a head that turns, where there is none; none: it must be all of it
  bool interleaved = false;
  // Phi-3: any scaling is LongRoPE, whatever older versions called it, and this the context before it where the key
  // original_max_position_embeddings is absent.
  std::optional<int64_t> only_long_positions;
};

// transformers 5 writes `rope_parameters` {rope_theta, rope_type, ...}; older versions `rope_theta` and `rope_scaling`
// {rope_type or type, ...}. Errors: as ConfigObject; kUnsupported for a scaling that we do not compute.
Result<RopeSpec> read_rope(const ConfigObject& config, const RopeRules& rules = {});

// Whether a head can turn like this. Errors: kUnsupported for an odd number of dimensions that turn; kCorrupt for a
// wrong number of LongRoPE's factors.
Status check_rope(const ConfigObject& config, const RopeSpec& rope, int64_t head_dim);

// How YaRN scales cosines and sines, and latent attention its scores, by its authors' recommendation.
double yarn_magnitude(double factor, double mscale);

// The two of families whose sliding layers turn faster.
struct LayerRopes {
  RopeSpec full, sliding;
};

// transformers 5 writes `rope_parameters` {full_attention: {...}, sliding_attention: {...}}; older versions write the
// first as read_rope() says, and of the second only `rope_local_base_freq`.
Result<LayerRopes> read_layer_ropes(const ConfigObject& config, double default_theta, double default_local_theta);

}  // namespace nwc
