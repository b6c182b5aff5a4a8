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

// Rotary position embedding of a head's first rotary_dim() dimensions; the others pass.
struct RopeSpec {
  enum class Scaling {
    kNone,    // "default"
    kLinear,  // positions divided by factor
    kLlama3,  // low frequencies divided by factor, high ones kept, a smooth passage between
    kYarn,    // the same along a ramp over dimensions; cosines and sines are scaled by magnitude
    kLong,    // LongRoPE: each pair's frequency divided by a factor of its own; scaled by magnitude
  };
  double theta = 10000;
  Scaling scaling = Scaling::kNone;
  double factor = 1;               // all but kNone and kLong
  double low_freq_factor = 1;      // kLlama3
  double high_freq_factor = 4;     // kLlama3
  int64_t original_positions = 0;  // kLlama3, kYarn, kLong: context length before scaling
  double beta_fast = 32;           // kYarn: frequencies that turn more often in the original context are kept
  double beta_slow = 1;            // kYarn: those that turn less often are divided
  bool whole_dimensions = true;    // kYarn: the ramp's ends are rounded to whole dimensions
  double magnitude = 1;            // kYarn, kLong
  // kLong: of each pair, in sequences of at most original_positions, and in longer ones at all their positions.
  std::vector<double> short_factors = {}, long_factors = {};
  double mscale_all_dim = 0;  // what latent attention scales its scores by, as yarn_magnitude() takes it; 0: nothing
  double partial = 1;         // share of a head's dimensions that turns
  bool interleaved = false;   // pairs are neighbours, 2i and 2i + 1; otherwise i and i + rotary_dim() / 2

  int64_t rotary_dim(int64_t head_dim) const;
  friend bool operator==(const RopeSpec&, const RopeSpec&) = default;
};

// Keys and values of latent attention (MLA). One layer makes a latent and a key part that all heads share and that
// alone turns by RoPE; a second layer makes each head's other key part and its value from the normalised latent:
//   [latent, shared] = down(x);  [key_h, value_h] = (up(norm(latent)))_h;  head h's key is [key_h, rope(shared)].
// Of a query the same last dimensions turn.
struct LatentSpec {
  LinearSpec down, up;
  NormSpec norm;           // over the latent
  int64_t rotary_dim = 0;  // of a query's or key's head_dim
  int64_t value_dim = 0;   // of a head's value
  // Queries of low rank: AttentionSpec::q reads q_norm(q_down(x)) instead of x.
  std::optional<LinearSpec> q_down;
  std::optional<NormSpec> q_norm;  // there if q_down is
};

// Self-attention with grouped key and value heads: query head h reads key head h / (heads / kv_heads).
struct AttentionSpec {
  LinearSpec q, k, v, o;
  std::optional<LinearSpec> qkv;     // takes the place of q, k and v: all three in one layer, in this order
  std::optional<LatentSpec> latent;  // takes the place of k and v; kv_heads == heads
  int64_t heads = 0;
  int64_t kv_heads = 0;            // divides heads
  int64_t head_dim = 0;            // even if there is RoPE
  double scale = 0;                // of the scores, before the softmax
  bool causal = true;              // a query sees no later keys
  std::optional<RopeSpec> rope;    // none: positions are in the input
  std::optional<int64_t> window;   // causal only: a query sees this many keys, itself included; none: all
  std::optional<NormSpec> q_norm;  // before RoPE, over head_dim or, if it has as many features, over all heads together
  std::optional<NormSpec> k_norm;
  std::optional<double> softcap = {};  // scores become softcap * tanh(score / softcap) before the softmax
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

// How a router's outputs become scores and how scores choose experts, beyond the largest of a softmax.
struct RouterRule {
  enum class Scores { kSoftmax, kSigmoid };
  // Groups of experts compete first: the `chosen_groups` best of `groups`, consecutive ones of equal size, stay.
  enum class GroupScore { kLargest, kSumOfTwoLargest };

  Scores scores = Scores::kSoftmax;
  std::string choice_bias = {};  // tensor name, [experts]: added to the scores for the choice only; empty for none
  int64_t groups = 1, chosen_groups = 1;
  GroupScore group_score = GroupScore::kLargest;
  double scale = 1;  // of the chosen experts' weights
};

// Mixture of experts: each token goes through the `experts_per_token` experts with the largest scores; their outputs
// are summed with the scores as weights.
struct MixtureSpec {
  LinearSpec router;  // out_features == experts.size()
  int64_t experts_per_token = 1;
  bool renormalise =
      true;  // the chosen experts' weights sum to 1, before the rule's scale; otherwise scores as they are
  std::vector<DenseMlpSpec> experts;
  RouterRule rule = {};
  std::optional<DenseMlpSpec> shared = {};  // shared experts, as one MLP: sees every token, its output is added
};

using MlpSpec = std::variant<PlainMlpSpec, GatedMlpSpec, FusedGateMlpSpec, MixtureSpec>;

// One half of a block: x += multiplier * scale * post_norm(f(norm(x))).
struct ResidualSpec {
  std::optional<NormSpec> norm;
  std::optional<NormSpec> post_norm;
  TensorSpec scale;  // per feature; no name: none
  double multiplier = 1;
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
// Those of the attention alone, which come first.
std::vector<BlockLinear> linears_of(const AttentionSpec& attention);

}  // namespace nwc
