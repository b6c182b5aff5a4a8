// Dense families that differ from Llama in few places, from configurations in the forms that stand on the Hub.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "model/families/family.h"
#include "support/model_descriptions.h"

namespace nwc {
namespace {

using testing::described;

// A configuration of a family with what is common to all, and `keys`, which begin with a comma or are empty.
std::string config(const std::string& family, const std::string& keys) {
  return R"({"model_type": ")" + family + R"(", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
    "num_attention_heads": 4)" +
         keys + "}";
}

ModelSpec spec_of(const std::string& family, const std::string& keys) {
  Result<ModelSpec> spec = described(config(family, keys));
  EXPECT_TRUE(spec) << spec.error().to_string();
  return spec ? *std::move(spec) : ModelSpec{.blocks = std::vector<BlockSpec>(4)};
}

std::string refusal(const std::string& family, const std::string& keys) {
  return testing::refusal(described(config(family, keys)));
}

TEST(GraniteTest, Multipliers) {
  const ModelSpec spec = spec_of("granite", R"(, "embedding_multiplier": 12.0, "attention_multiplier": 0.0078125,
    "residual_multiplier": 0.22, "logits_scaling": 16.0, "num_key_value_heads": 2, "tie_word_embeddings": true)");
  EXPECT_EQ(spec.embedding_scale, 12);
  EXPECT_EQ(spec.logit_scale, 1.0 / 16);
  EXPECT_EQ(spec.blocks[3].attention.scale, 0.0078125);
  EXPECT_EQ(spec.blocks[3].attention_path.multiplier, 0.22);
  EXPECT_EQ(spec.blocks[3].mlp_path.multiplier, 0.22);
  EXPECT_EQ(spec_of("granite", "").blocks[0].attention.scale, 1);  // not 1 / sqrt(head_dim)
}

TEST(SmolLm3Test, LayersWithoutRotation) {
  const ModelSpec every_fourth = spec_of("smollm3", R"(, "num_key_value_heads": 2)");
  EXPECT_TRUE(every_fourth.blocks[2].attention.rope.has_value());
  EXPECT_EQ(every_fourth.blocks[2].attention.rope->theta, 2e6);
  EXPECT_FALSE(every_fourth.blocks[3].attention.rope.has_value());
  EXPECT_EQ(every_fourth.head.weight, "model.embed_tokens.weight");
  const ModelSpec listed = spec_of("smollm3", R"(, "no_rope_layers": [0, 1, 1, 1, 0], "use_sliding_window": true,
    "sliding_window": 512)");
  EXPECT_FALSE(listed.blocks[0].attention.rope.has_value());
  EXPECT_EQ(listed.blocks[0].attention.window, 512);
  EXPECT_EQ(listed.blocks[1].attention.window, std::nullopt);
  EXPECT_EQ(refusal("smollm3", R"(, "no_rope_layers": [0, 1])"), "key 'no_rope_layers' has 2 entries for 4 layers");
}

TEST(OlmoTest, NormsBehindAndOverAllHeads) {
  const ModelSpec spec = spec_of("olmo2", R"(, "num_key_value_heads": 2, "rope_theta": 500000.0)");
  const BlockSpec& block = spec.blocks[1];
  EXPECT_FALSE(block.attention_path.norm.has_value());
  EXPECT_FALSE(block.mlp_path.norm.has_value());
  EXPECT_EQ(block.attention_path.post_norm->weight, "model.layers.1.post_attention_layernorm.weight");
  EXPECT_EQ(block.mlp_path.post_norm->weight, "model.layers.1.post_feedforward_layernorm.weight");
  EXPECT_EQ(block.attention.q_norm->features, 64);
  EXPECT_EQ(block.attention.k_norm->features, 32);
  EXPECT_EQ(block.attention.window, std::nullopt);
  EXPECT_EQ(spec.final_norm.eps, 1e-5);
}

TEST(OlmoTest, WindowsOfOlmo3TurnUnscaled) {
  const ModelSpec spec = spec_of("olmo3", R"(, "sliding_window": 256, "rope_theta": 500000, "rope_scaling":
    {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 8192, "attention_factor": 1.2})");
  EXPECT_EQ(spec.blocks[2].attention.window, 256);
  EXPECT_EQ(spec.blocks[2].attention.rope->scaling, RopeSpec::Scaling::kNone);
  EXPECT_EQ(spec.blocks[2].attention.rope->theta, 5e5);
  EXPECT_EQ(spec.blocks[3].attention.window, std::nullopt);
  EXPECT_EQ(spec.blocks[3].attention.rope->scaling, RopeSpec::Scaling::kYarn);
}

TEST(Starcoder2Test, LayerNormsBiasesAndAPlainMlp) {
  const ModelSpec spec = spec_of("starcoder2", R"(, "num_key_value_heads": 2, "norm_epsilon": 1e-4,
    "sliding_window": 4096)");
  const BlockSpec& block = spec.blocks[0];
  EXPECT_EQ(block.attention_path.norm->kind, NormSpec::Kind::kLayer);
  EXPECT_EQ(block.attention_path.norm->bias, "model.layers.0.input_layernorm.bias");
  EXPECT_EQ(spec.final_norm.bias, "model.norm.bias");
  EXPECT_EQ(spec.final_norm.eps, 1e-4);
  EXPECT_EQ(block.attention.o.bias, "model.layers.0.self_attn.o_proj.bias");
  const PlainMlpSpec& mlp = std::get<PlainMlpSpec>(block.mlp);
  EXPECT_EQ(mlp.up.weight, "model.layers.0.mlp.c_fc.weight");
  EXPECT_EQ(mlp.down.bias, "model.layers.0.mlp.c_proj.bias");
  EXPECT_EQ(mlp.activation, Activation::kGeluTanh);
  EXPECT_EQ(block.attention.window, 4096);
}

TEST(Gemma2Test, CapsWindowsAndNorms) {
  const ModelSpec spec = spec_of("gemma2", R"(, "num_key_value_heads": 2, "query_pre_attn_scalar": 144)");
  EXPECT_EQ(spec.logit_softcap, 30);
  EXPECT_EQ(spec.blocks[0].attention.softcap, 50);
  EXPECT_EQ(spec.blocks[0].attention.head_dim, 256);
  EXPECT_DOUBLE_EQ(spec.blocks[0].attention.scale, 1.0 / 12);
  EXPECT_EQ(spec.blocks[0].attention.window, 4096);
  EXPECT_EQ(spec.blocks[1].attention.window, std::nullopt);
  EXPECT_EQ(spec.blocks[1].mlp_path.post_norm->weight_offset, 1);
  EXPECT_EQ(spec.embedding_scale, 8);
  EXPECT_EQ(spec_of("gemma2", R"(, "final_logit_softcapping": null)").logit_softcap, std::nullopt);
  EXPECT_EQ(refusal("gemma2", R"(, "use_bidirectional_attention": true)"),
            "key 'use_bidirectional_attention' must be null or false");
}

TEST(Phi3Test, FusedLayersAndLongRope) {
  // As Phi-3 (LongRoPE called su, beside rope_theta) and Phi-4-mini publish it.
  const ModelSpec spec = spec_of("phi3", R"(, "max_position_embeddings": 131072, "num_key_value_heads": 2,
    "original_max_position_embeddings": 4096, "partial_rotary_factor": 0.75, "rope_theta": 10000.0, "rope_scaling":
    {"type": "su", "short_factor": [1, 1, 1, 1, 1, 1.5], "long_factor": [1, 2, 3, 4, 5, 6]})");
  const AttentionSpec& attention = spec.blocks[0].attention;
  EXPECT_EQ(attention.qkv->weight, "model.layers.0.self_attn.qkv_proj.weight");
  EXPECT_EQ(attention.qkv->out_features, 64 + 2 * 32);
  EXPECT_EQ(attention.rope->scaling, RopeSpec::Scaling::kLong);
  EXPECT_EQ(attention.rope->rotary_dim(attention.head_dim), 12);
  EXPECT_EQ(attention.rope->long_factors.back(), 6);
  EXPECT_DOUBLE_EQ(attention.rope->magnitude, std::sqrt(1 + std::log(32.0) / std::log(4096.0)));
  EXPECT_EQ(length_of_other_angles(spec), 4097);
  const FusedGateMlpSpec& mlp = std::get<FusedGateMlpSpec>(spec.blocks[0].mlp);
  EXPECT_EQ(mlp.gate_up.out_features, 192);
  EXPECT_FALSE(mlp.interleaved);
}

TEST(Phi3Test, WhatItRefuses) {
  EXPECT_EQ(refusal("phi3", R"(, "rope_scaling": {"type": "longrope", "short_factor": [1], "long_factor": [1]})"),
            "key 'rope_scaling' has 1 entries of short_factor and 1 of long_factor; both must have 8");
  EXPECT_EQ(refusal("phi3", R"(, "rope_scaling": {"type": "linear", "factor": 2})"),
            "key 'rope_scaling.type' is 'linear'; this family knows default and longrope");
  EXPECT_EQ(refusal("phi3", R"(, "partial_rotary_factor": 0.2)"),
            "key 'partial_rotary_factor' lets 3 of a head's 16 dimensions turn; RoPE needs an even number");
}

TEST(GlmTest, HalfAHeadTurnsAndNormsStandOnBothSides) {
  const ModelSpec spec = spec_of("glm4", R"(, "head_dim": 16)");
  const BlockSpec& block = spec.blocks[2];
  EXPECT_EQ(block.attention.rope->rotary_dim(16), 8);
  EXPECT_TRUE(block.attention.rope->interleaved);
  EXPECT_EQ(block.attention.kv_heads, 2);
  EXPECT_EQ(block.attention.k.bias, "model.layers.2.self_attn.k_proj.bias");
  EXPECT_EQ(block.attention.o.bias, "");
  EXPECT_EQ(block.attention_path.post_norm->weight, "model.layers.2.post_self_attn_layernorm.weight");
  EXPECT_EQ(block.mlp_path.norm->weight, "model.layers.2.post_attention_layernorm.weight");
  EXPECT_EQ(block.mlp_path.post_norm->weight, "model.layers.2.post_mlp_layernorm.weight");
  EXPECT_FALSE(spec_of("glm", "").blocks[0].attention_path.post_norm.has_value());
}

TEST(LlamaTest, NoPartOfAHead) {
  // transformers ignores it where nothing scales, and fails where something does.
  EXPECT_EQ(spec_of("granite", R"(, "partial_rotary_factor": 0.5)").blocks[0].attention.rope->partial, 1);
  EXPECT_EQ(refusal("granite", R"(, "partial_rotary_factor": 0.5, "rope_scaling": {"type": "linear", "factor": 2})"),
            "key 'partial_rotary_factor' must be 1 in this family where rope_type is \"linear\"");
}

}  // namespace
}  // namespace nwc
