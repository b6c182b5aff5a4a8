// What a transformer computes and what its tensors are called: the data that a family's file (families/*.cc) derives
// from config.json and that everything else interprets. A spec holds no weights and needs no LibTorch.
//
// Thread safety: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nwcodec/dtype.h"

namespace nwc {

// A tensor that a model needs, by its name in the checkpoint.
struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;
};

// y = x W^T + b; W is [out_features, in_features].
struct LinearSpec {
  std::string weight;  // tensor name
  std::string bias;    // tensor name; empty for none
  int64_t in_features = 0;
  int64_t out_features = 0;
};

// y = x / sqrt(mean(x^2) + eps) * w, over the last dimension.
struct RmsNormSpec {
  std::string weight;  // tensor name
  int64_t features = 0;
  double eps = 0;
};

// Rotary position embedding in the half-split layout of transformers: dimension i turns with dimension i + head_dim
// / 2.
struct RopeSpec {
  enum class Scaling {
    kNone,    // "default"
    kLinear,  // positions divided by factor
    kLlama3,  // low frequencies divided by factor, high ones kept, a smooth passage between
  };
  double theta = 10000;
  Scaling scaling = Scaling::kNone;
  double factor = 1;               // kLinear, kLlama3
  double low_freq_factor = 1;      // kLlama3
  double high_freq_factor = 4;     // kLlama3
  int64_t original_positions = 0;  // kLlama3: context length before scaling

  friend bool operator==(const RopeSpec&, const RopeSpec&) = default;
};

// Causal self-attention with grouped key and value heads: query head h reads key head h / (heads / kv_heads).
struct AttentionSpec {
  LinearSpec q, k, v, o;
  int64_t heads = 0;
  int64_t kv_heads = 0;  // divides heads
  int64_t head_dim = 0;  // even
  double scale = 0;      // of the scores, before the softmax
  RopeSpec rope;
  std::optional<int64_t> window;      // a query sees this many keys, itself included; none: all
  std::optional<RmsNormSpec> q_norm;  // per head, over head_dim, before RoPE
  std::optional<RmsNormSpec> k_norm;
};

// y = down(silu(gate(x)) * up(x))
struct GatedMlpSpec {
  LinearSpec gate, up, down;
};

// x += attention(attention_norm(x)); x += mlp(mlp_norm(x))
struct BlockSpec {
  RmsNormSpec attention_norm;
  AttentionSpec attention;
  RmsNormSpec mlp_norm;
  GatedMlpSpec mlp;
};

// A causal language model: embedding, blocks, final norm, head.
struct ModelSpec {
  std::string model_type;
  int64_t hidden_size = 0;
  int64_t vocab_size = 0;
  int64_t max_positions = 0;            // context length that the model was made for
  std::optional<DType> declared_dtype;  // what config.json says; the tensors themselves decide
  std::vector<int32_t> eos_token_ids;   // generation stops at any of them; may be empty
  std::string embedding;                // tensor name; [vocab_size, hidden_size]
  std::vector<BlockSpec> blocks;
  RmsNormSpec final_norm;
  LinearSpec head;  // weight == embedding when the two are tied
};

// Every tensor that a block, or the whole model, reads; a tied head is listed once.
std::vector<TensorSpec> tensors_of(const BlockSpec& block);
std::vector<TensorSpec> tensors_of(const ModelSpec& model);

}  // namespace nwc
