// Rotary embedding parameters from config.json, in both of its forms: transformers 5 writes `rope_parameters`
// {rope_theta, rope_type, ...}; older versions `rope_theta` and `rope_scaling` {rope_type or type, ...}. Where both are
// there, transformers lets `rope_scaling` replace the other as a whole.
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
  bool only_long = false;  // Phi-3: any scaling is LongRoPE, whatever older versions called it
};

// The object whose parameters are in force, as transformers standardises it: with rope_type, with rope_theta of the
// configuration or else the rules', and for scalings that know an original context with its length. Errors: as
// ConfigObject; kUnsupported for parameters per layer type.
Result<ConfigObject> standard_rope(const ConfigObject& config, const RopeRules& rules = {});

// Errors: those of standard_rope(); kUnsupported for a scaling that we do not compute.
Result<RopeSpec> read_rope(const ConfigObject& config, const RopeRules& rules = {});

// Whether a head can turn like this. Errors: kUnsupported for an odd number of dimensions that turn; kCorrupt for a
// wrong number of LongRoPE's factors.
Status check_rope(const ConfigObject& config, const RopeSpec& rope, int64_t head_dim);

// How YaRN scales cosines and sines, and latent attention its scores, by its authors' recommendation.
double yarn_magnitude(double factor, double mscale);

// For families whose sliding layers have parameters of their own.
struct LayerRopes {
  RopeSpec full, sliding;
};

// The same as one object with `full_attention` and `sliding_attention`. Of the older form `rope_scaling` and
// `rope_theta` concern the first alone, and the second's theta has the key `local_key` ("": none).
Result<ConfigObject> standard_layer_ropes(const ConfigObject& config, double default_theta, double default_local_theta,
                                          const char* local_key = "rope_local_base_freq");
Result<LayerRopes> read_layer_ropes(const ConfigObject& config, double default_theta, double default_local_theta,
                                    const char* local_key = "rope_local_base_freq");

}  // namespace nwc
