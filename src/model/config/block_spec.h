// What a transformer block computes and what its tensors are called. Families fill these in (families/*.cc); block.h
// interprets them, calibration lists them. A spec holds no weights and needs no LibTorch.
//
// Thread safety: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace nwc {

// A tensor that a model needs, by its name in the checkpoint.
struct TensorSpec {
  std::string name;  // empty: the model has no such tensor
  std::vector<int64_t> shape;
};

// Which matrix of a fused tensor, which holds those of all experts, belongs to a layer.
struct FusedSlice {
  int64_t index = 0;        // of the expert
  int64_t count = 0;        // of experts in the tensor
  bool transposed = false;  // stored [count, in_features, out_features]; otherwise [count, out_features, in_features]

  friend bool operator==(const FusedSlice&, const FusedSlice&) = default;
};

// y = x W^T + b; W is [out_features, in_features].
struct LinearSpec {
  std::string weight;  // tensor name; shared by the experts' layers if `slice` is set
  std::string bias;    // tensor name; empty for none. [out_features], or [count, out_features] if `slice` is set
  int64_t in_features = 0;
  int64_t out_features = 0;
  std::optional<FusedSlice> slice = {};

  // The tensors as they are stored.
  TensorSpec weight_tensor() const;
  TensorSpec bias_tensor() const;
};

// Over the last dimension; eps is added to the mean of squares.
struct NormSpec {
  enum class Kind {
    kRms,    // y = x / sqrt(mean(x^2) + eps) * (w + weight_offset)
    kLayer,  // y = (x - mean(x)) / sqrt(var(x) + eps) * w + b
  };
  std::string weight;  // tensor name
  int64_t features = 0;
  double eps = 0;
  Kind kind = Kind::kRms;
  double weight_offset = 0;  // kRms: 1 where the checkpoint stores w - 1
  std::string bias = {};     // kLayer: tensor name; empty for none
};

// Rotary position embedding in the half-split layout of transformers: dimension i turns with dimension i + head_dim
// / 2.
struct RopeSpec {
  enum class Scaling {
    kNone,    // "default"
    kLinear,  // positions divided by factor
    kLlama3,  // low frequencies divided by factor, high ones kept, a smooth passage between
    kYarn,    // the same along a ramp over dimensions; cosines and sines are scaled by magnitude
  };
  double theta = 10000;
  Scaling scaling = Scaling::kNone;
  double factor = 1;               // all but kNone
  double low_freq_factor = 1;      // kLlama3
  double high_freq_factor = 4;     // kLlama3
  int64_t original_positions = 0;  // kLlama3, kYarn: context length before scaling
  double beta_fast = 32;           // kYarn: frequencies that turn more often in the original context are kept
  double beta_slow = 1;            // kYarn: those that turn less often are divided
  bool whole_dimensions = true;    // kYarn: the ramp's ends are rounded to whole dimensions
  double magnitude = 1;            // kYarn

  friend bool operator==(const RopeSpec&, const RopeSpec&) = default;
};

// Self-attention with grouped key and value heads: query head h reads key head h / (heads / kv_heads).
struct AttentionSpec {
  LinearSpec q, k, v, o;
  int64_t heads = 0;
  int64_t kv_heads = 0;            // divides heads
  int64_t head_dim = 0;            // even if there is RoPE
  double scale = 0;                // of the scores, before the softmax
  bool causal = true;              // a query sees no later keys
  std::optional<RopeSpec> rope;    // none: positions are in the input
  std::optional<int64_t> window;   // causal only: a query sees this many keys, itself included; none: all
  std::optional<NormSpec> q_norm;  // per head, over head_dim, before RoPE
  std::optional<NormSpec> k_norm;
  std::string sinks;  // tensor name, [heads]: a score of a key without a value, per head; empty for none
};

// GELU is exact, its tanh approximation, or x * sigmoid(1.702 x).
enum class Activation { kSilu, kGelu, kGeluTanh, kQuickGelu };

// How a gate and a value become one: activation(gate) * (value + value_offset), where gate is at most `limit` and value
// within +-`limit`.
struct GateRule {
  Activation activation = Activation::kSilu;
  std::optional<double> limit = {};  // none: no clamping
  double value_offset = 0;
};

// y = down(activation(up(x)))
struct PlainMlpSpec {
  LinearSpec up, down;
  Activation activation = Activation::kGelu;
};

// y = down(rule(gate(x), up(x)))
struct GatedMlpSpec {
  LinearSpec gate, up, down;
  GateRule rule = {};
};

// The same with gate and up in one layer.
struct FusedGateMlpSpec {
  LinearSpec gate_up, down;
  bool interleaved = false;  // gate is every even output, up every odd one; otherwise the first and the second half
  GateRule rule = {};
};

using DenseMlpSpec = std::variant<PlainMlpSpec, GatedMlpSpec, FusedGateMlpSpec>;

// Mixture of experts: each token goes through the `experts_per_token` experts with the largest router outputs; their
// outputs are summed with the softmax of the router outputs as weights.
struct MixtureSpec {
  LinearSpec router;  // out_features == experts.size()
  int64_t experts_per_token = 1;
  bool renormalise = true;  // the chosen experts' weights sum to 1; otherwise all experts' do
  std::vector<DenseMlpSpec> experts;
};

using MlpSpec = std::variant<PlainMlpSpec, GatedMlpSpec, FusedGateMlpSpec, MixtureSpec>;

// One half of a block: x += scale * post_norm(f(norm(x))).
struct ResidualSpec {
  NormSpec norm;
  std::optional<NormSpec> post_norm;
  TensorSpec scale;  // per feature; no name: none
};

// Attention, then MLP.
struct BlockSpec {
  ResidualSpec attention_path;
  AttentionSpec attention;
  ResidualSpec mlp_path;
  MlpSpec mlp;
};

// Every tensor that a block reads, fused ones once.
std::vector<TensorSpec> tensors_of(const BlockSpec& block);

// A linear layer as calibration sees it.
struct BlockLinear {
  LinearSpec linear;
  // Layers of a block with the same number read the same tensor (query, key and value; gate and up of one expert), so
  // that one second moment serves them all. Numbers count up from 0 in the order of computation.
  size_t input = 0;
  // The expert that the layer belongs to, fused or not: it sees only the tokens routed there, perhaps none.
  std::optional<int64_t> expert = {};
};

// The linear layers of a block in the order in which Block::forward() announces them. Routers are not among them: they
// are small, stay as they are, and are not announced.
std::vector<BlockLinear> linears_of(const BlockSpec& block);

}  // namespace nwc
