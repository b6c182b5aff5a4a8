#include "model/config/llama_like.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "model/config/common_config.h"
#include "model/config/rope_config.h"

namespace nwc {
namespace {

struct Dimensions {
  int64_t hidden, intermediate, blocks, heads, kv_heads, head_dim, vocab;
};

Result<Dimensions> read_dimensions(const ConfigObject& config) {
  Dimensions d{};
  NWC_ASSIGN_OR_RETURN(d.hidden, read_width(config, "hidden_size"));
  NWC_ASSIGN_OR_RETURN(d.intermediate, read_width(config, "intermediate_size"));
  NWC_ASSIGN_OR_RETURN(d.blocks, config.integer("num_hidden_layers", 1, kMaxBlocks));
  NWC_ASSIGN_OR_RETURN(d.heads, read_width(config, "num_attention_heads"));
  NWC_ASSIGN_OR_RETURN(d.kv_heads, read_width(config, "num_key_value_heads"));
  NWC_ASSIGN_OR_RETURN(d.vocab, read_width(config, "vocab_size"));
  if (d.heads % d.kv_heads != 0) {
    return config.error(ErrorCode::kCorrupt, "num_key_value_heads",
                        fmt::format("is {}, which does not divide the {} attention heads", d.kv_heads, d.heads));
  }
  if (!config.has("head_dim") && d.hidden % d.heads != 0) {
    return config.error(ErrorCode::kCorrupt, "num_attention_heads",
                        fmt::format("is {}, which does not divide the hidden size of {}", d.heads, d.hidden));
  }
  NWC_ASSIGN_OR_RETURN(d.head_dim, config.integer("head_dim", 2, kMaxWidth));
  if (d.head_dim % 2 != 0) {
    return config.error(ErrorCode::kCorrupt, "head_dim", fmt::format("is {}; RoPE needs an even one", d.head_dim));
  }
  return d;
}

BlockSpec describe_block(const Dimensions& d, const LlamaLike& family, double eps, const std::optional<RopeSpec>& rope,
                         Activation activation, int64_t layer) {
  const std::string prefix = fmt::format("{}layers.{}.", family.prefix, layer);
  const auto linear = [&](const char* name, int64_t in, int64_t out, bool bias) {
    return LinearSpec{prefix + name + ".weight", bias ? prefix + name + ".bias" : std::string(), in, out};
  };
  const auto norm = [&](const char* name, int64_t features) {
    return NormSpec{prefix + name + ".weight", features, eps};
  };
  const int64_t q_width = d.heads * d.head_dim, kv_width = d.kv_heads * d.head_dim;

  BlockSpec block;
  block.attention_path.norm = norm("input_layernorm", d.hidden);
  if (family.fused_qkv) {
    block.attention.qkv = linear("self_attn.qkv_proj", d.hidden, q_width + 2 * kv_width, family.qkv_bias);
  } else {
    block.attention.q = linear("self_attn.q_proj", d.hidden, q_width, family.qkv_bias);
    block.attention.k = linear("self_attn.k_proj", d.hidden, kv_width, family.qkv_bias);
    block.attention.v = linear("self_attn.v_proj", d.hidden, kv_width, family.qkv_bias);
  }
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
  block.mlp_path.norm = norm("post_attention_layernorm", d.hidden);
  const LinearSpec down = linear("mlp.down_proj", d.intermediate, d.hidden, family.mlp_bias);
  if (family.fused_gate_up) {
    const LinearSpec gate_up = linear("mlp.gate_up_proj", d.hidden, 2 * d.intermediate, family.mlp_bias);
    block.mlp = FusedGateMlpSpec{gate_up, down, /*interleaved=*/false, {activation}};
  } else {
    block.mlp = GatedMlpSpec{linear("mlp.gate_proj", d.hidden, d.intermediate, family.mlp_bias),
                             linear("mlp.up_proj", d.hidden, d.intermediate, family.mlp_bias),
                             down,
                             {activation}};
  }
  return block;
}

}  // namespace

Result<ModelSpec> describe_llama_like(const ConfigObject& config, const LlamaLike& family) {
  NWC_ASSIGN_OR_RETURN(const Dimensions d, read_dimensions(config));
  NWC_ASSIGN_OR_RETURN(const double eps, config.number(family.eps_key, 0, 1));
  NWC_ASSIGN_OR_RETURN(const Activation activation, read_activation(config, family.activation_key));
  std::optional<RopeSpec> rope;
  if (!family.layer_ropes) {
    NWC_ASSIGN_OR_RETURN(rope, read_rope(config, family.rope));
    NWC_RETURN_IF_ERROR(check_rope(config, *rope, d.head_dim));
  }
  NWC_ASSIGN_OR_RETURN(const bool tied, config.boolean("tie_word_embeddings", false));

  ModelSpec model;
  model.hidden_size = d.hidden;
  model.vocab_size = d.vocab;
  NWC_ASSIGN_OR_RETURN(model.max_positions, config.integer("max_position_embeddings", 1, kMaxPositions));
  model.embedding = family.prefix + "embed_tokens.weight";
  model.blocks.reserve(d.blocks);
  for (int64_t layer = 0; layer < d.blocks; ++layer) {
    model.blocks.push_back(describe_block(d, family, eps, rope, activation, layer));
  }
  model.final_norm = {family.prefix + "norm.weight", d.hidden, eps};
  set_head(model, family.head, tied);
  return model;
}

}  // namespace nwc
