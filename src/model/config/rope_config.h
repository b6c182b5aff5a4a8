// Rotary embedding parameters from config.json, in both of its forms.
#pragma once

#include "model/config/block_spec.h"
#include "model/config/config.h"

namespace nwc {

inline constexpr double kDefaultRopeTheta = 10000;

// transformers 5 writes `rope_parameters` {rope_theta, rope_type, ...}; older versions `rope_theta` and `rope_scaling`
// {rope_type or type, ...}. `default_theta` is the family's. Errors: as ConfigObject; kUnsupported for a scaling that
// we do not compute.
Result<RopeSpec> read_rope(const ConfigObject& config, double default_theta = kDefaultRopeTheta);

// The two of families whose sliding layers turn faster.
struct LayerRopes {
  RopeSpec full, sliding;
};

// transformers 5 writes `rope_parameters` {full_attention: {...}, sliding_attention: {...}}; older versions write the
// first as read_rope() says, and of the second only `rope_local_base_freq`.
Result<LayerRopes> read_layer_ropes(const ConfigObject& config, double default_theta, double default_local_theta);

}  // namespace nwc
