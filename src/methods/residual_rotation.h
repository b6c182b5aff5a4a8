// Which tensors of a language model change, and how, when its residual stream is multiplied by an orthogonal matrix and
// its norms' gains move into the layers that read them (QuaRot, SpinQuant). The function stays what it was.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/config/spec.h"
#include "nwcodec/result.h"

namespace nwc {

// What stands on one side of a layer's weight.
enum class Side : uint8_t {
  kInside,    // neither changes
  kResidual,  // the rotated stream
  kHeads,     // attention's values: each head's by its own rotation
};

// y = x W^T + b, W [outputs, inputs].
struct RotatedLayer {
  std::string weight, bias;  // tensor names; bias empty for none
  uint64_t rows = 0, columns = 0;
  Side inputs = Side::kInside, outputs = Side::kInside;
  const NormSpec* norm = nullptr;  // whose gain its inputs carry; with Side::kResidual
  uint64_t first_row = 0;          // of kHeads' outputs in a fused layer: those before are not values
};

struct RotationPlan {
  std::string embedding, head;  // head: what it is called in the rotated model, which no longer ties it
  bool tied = false;            // in the original
  uint64_t vocabulary = 0, hidden = 0;
  uint64_t head_dim = 0;  // of attention's values
  std::vector<RotatedLayer> layers;
  std::vector<const NormSpec*> norms;  // whose gains become 1
  const NormSpec* final_norm = nullptr;
};

// Points into `spec`. Errors: kUnsupported, with the reason, for a model whose stream passes through something that a
// rotation does not commute with.
Result<RotationPlan> plan_rotation(const ModelSpec& spec);

}  // namespace nwc
