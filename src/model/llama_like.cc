#include "model/llama_like.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "model/rope_config.h"

namespace nwc {
namespace {

// Ranges that no real model leaves; a product of any two stays far from overflow.
constexpr int64_t kMaxWidth = int64_t{1} << 24;
constexpr int64_t kMaxBlocks = 4096;
constexpr int64_t kMaxPositions = int64_t{1} << 31;

struct Dimensions {
  int64_t hidden, intermediate, blocks, heads, kv_heads, head_dim, vocab;
};

Result<Dimensions> read_dimensions(const ConfigObject& config, const LlamaLike& family) {
  Dimensions d{};
  NWC_ASSIGN_OR_RETURN(d.hidden, config.integer("hidden_size", 1, kMaxWidth));
  NWC_ASSIGN_OR_RETURN(d.intermediate, config.integer("intermediate_size", 1, kMaxWidth));
  NWC_ASSIGN_OR_RETURN(d.blocks, config.integer("num_hidden_layers", 1, kMaxBlocks));
  NWC_ASSIGN_OR_RETURN(d.heads, config.integer("num_attention_heads", 1, kMaxWidth));
  NWC_ASSIGN_OR_RETURN(d.kv_heads, config.integer("num_key_value_heads", 1, kMaxWidth, d.heads));
  NWC_ASSIGN_OR_RETURN(d.vocab, config.integer("vocab_size", 1, kMaxWidth));
  if (d.heads % d.kv_heads != 0) {
    return config.error(ErrorCode::kCorrupt, "num_key_value_heads",
                        fmt::format("is {}, which does not divide the {} attention heads", d.kv_heads, d.heads));
  }
  if (!config.has("head_dim") && !family.default_head_dim && d.hidden % d.heads != 0) {
    return config.error(ErrorCode::kCorrupt, "num_attention_heads",
                        fmt::format("is {}, which does not divide the hidden size of {}", d.heads, d.hidden));
  }
  NWC_ASSIGN_OR_RETURN(d.head_dim,
                       config.integer("head_dim", 2, kMaxWidth, family.default_head_dim.value_or(d.hidden / d.heads)));
  if (d.head_dim % 2 != 0) {
    return config.error(ErrorCode::kCorrupt, "head_dim", fmt::format("is {}; RoPE needs an even one", d.head_dim));
  }
  return d;
}

Result<std::optional<DType>> read_dtype(const ConfigObject& config) {
  const std::string_view key = config.has("dtype") ? "dtype" : "torch_dtype";
  if (!config.has(key)) return std::optional<DType>();
  NWC_ASSIGN_OR_RETURN(const std::string name, config.string(key));
  if (name == "float32") return std::optional(DType::kF32);
  if (name == "float16") return std::optional(DType::kF16);
  if (name == "bfloat16") return std::optional(DType::kBF16);
  return config.error(ErrorCode::kUnsupported, key,
                      fmt::format("is '{}'; known are float32, float16 and bfloat16", name));
}

BlockSpec describe_block(const Dimensions& d, const LlamaLike& family, double eps, const RopeSpec& rope,
                         int64_t layer) {
  const std::string prefix = fmt::format("model.layers.{}.", layer);
  const auto linear = [&](const char* name, int64_t in, int64_t out, bool bias) {
    return LinearSpec{prefix + name + ".weight", bias ? prefix + name + ".bias" : std::string(), in, out};
  };
  const auto norm = [&](const char* name, int64_t features) {
    return RmsNormSpec{prefix + name + ".weight", features, eps};
  };
  const int64_t q_width = d.heads * d.head_dim, kv_width = d.kv_heads * d.head_dim;

  BlockSpec block;
  block.attention_norm = norm("input_layernorm", d.hidden);
  block.attention.q = linear("self_attn.q_proj", d.hidden, q_width, family.qkv_bias);
  block.attention.k = linear("self_attn.k_proj", d.hidden, kv_width, family.qkv_bias);
  block.attention.v = linear("self_attn.v_proj", d.hidden, kv_width, family.qkv_bias);
  block.attention.o = linear("self_attn.o_proj", q_width, d.hidden, family.o_bias);
  block.attention.heads = d.heads;
  block.attention.kv_heads = d.kv_heads;
  block.attention.head_dim = d.head_dim;
  block.attention.scale = 1 / std::sqrt(static_cast<double>(d.head_dim));
  block.attention.rope = rope;
  if (family.window) block.attention.window = family.window(layer);
  if (family.qk_norm) {
    block.attention.q_norm = norm("self_attn.q_norm", d.head_dim);
    block.attention.k_norm = norm("self_attn.k_norm", d.head_dim);
  }
  block.mlp_norm = norm("post_attention_layernorm", d.hidden);
  block.mlp.gate = linear("mlp.gate_proj", d.hidden, d.intermediate, family.mlp_bias);
  block.mlp.up = linear("mlp.up_proj", d.hidden, d.intermediate, family.mlp_bias);
  block.mlp.down = linear("mlp.down_proj", d.intermediate, d.hidden, family.mlp_bias);
  return block;
}

}  // namespace

Result<ModelSpec> describe_llama_like(const ConfigObject& config, const LlamaLike& family) {
  NWC_ASSIGN_OR_RETURN(const Dimensions d, read_dimensions(config, family));
  NWC_ASSIGN_OR_RETURN(const double eps, config.number("rms_norm_eps", 0, 1));
  NWC_ASSIGN_OR_RETURN(const std::string activation, config.string("hidden_act", "silu"));
  if (activation != "silu") {
    return config.error(ErrorCode::kUnsupported, "hidden_act", fmt::format("is '{}'; known is silu", activation));
  }
  NWC_ASSIGN_OR_RETURN(const RopeSpec rope, read_rope(config));
  NWC_ASSIGN_OR_RETURN(const bool tied, config.boolean("tie_word_embeddings", false));

  ModelSpec model;
  model.hidden_size = d.hidden;
  model.vocab_size = d.vocab;
  NWC_ASSIGN_OR_RETURN(model.max_positions, config.integer("max_position_embeddings", 1, kMaxPositions));
  NWC_ASSIGN_OR_RETURN(model.declared_dtype, read_dtype(config));
  model.embedding = "model.embed_tokens.weight";
  model.blocks.reserve(d.blocks);
  for (int64_t layer = 0; layer < d.blocks; ++layer)
    model.blocks.push_back(describe_block(d, family, eps, rope, layer));
  model.final_norm = {"model.norm.weight", d.hidden, eps};
  model.head = {tied ? model.embedding : "lm_head.weight", "", d.hidden, d.vocab};
  return model;
}

}  // namespace nwc
