// Rotary embedding parameters from config.json, in both of its forms.
#pragma once

#include "model/config.h"
#include "model/spec.h"

namespace nwc {

// transformers 5 writes `rope_parameters` {rope_theta, rope_type, ...}; older versions `rope_theta` and `rope_scaling`
// {rope_type or type, ...}. Errors: as ConfigObject; kUnsupported for a scaling that we do not compute.
Result<RopeSpec> read_rope(const ConfigObject& config);

}  // namespace nwc
