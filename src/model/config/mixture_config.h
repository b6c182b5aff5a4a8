// Mixtures of experts from config.json, for families in which every expert has tensors of its own.
#pragma once

#include <cstdint>
#include <string>

#include "model/config/block_spec.h"
#include "model/config/config.h"

namespace nwc {

// What a block's tensors are called: "PREFIX.ROUTER.weight", "PREFIX.experts.7.GATE.weight".
struct MixtureNames {
  std::string router, gate, up, down;
};

struct MixtureSize {
  int64_t experts = 0;
  int64_t experts_per_token = 0;
};

// Reads the number of experts under `experts_key`, and `num_experts_per_tok`. Errors: as ConfigObject; kCorrupt for
// more experts per token than there are.
Result<MixtureSize> read_mixture_size(const ConfigObject& config, std::string_view experts_key);

// Experts like `dense`, the MLP of the same block in a dense model, but `width` features wide.
MixtureSpec describe_mixture(const MixtureSize& size, const std::string& prefix, const MixtureNames& names,
                             const GatedMlpSpec& dense, int64_t width);

}  // namespace nwc
