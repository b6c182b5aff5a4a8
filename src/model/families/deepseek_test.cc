// DeepSeek V2 and V3, from configurations in the form that stands on the Hub.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "model/families/family.h"
#include "support/model_descriptions.h"

namespace nwc {
namespace {

using testing::described;
using testing::refusal;
using testing::with;

constexpr const char* kV2Lite = R"({
  "model_type": "deepseek_v2", "hidden_size": 2048, "intermediate_size": 10944, "num_hidden_layers": 3,
  "num_attention_heads": 16, "num_key_value_heads": 16, "kv_lora_rank": 512, "q_lora_rank": null,
  "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "first_k_dense_replace": 1,
  "moe_intermediate_size": 1408, "n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6,
  "n_group": 1, "topk_group": 1, "topk_method": "greedy", "norm_topk_prob": false, "scoring_func": "softmax",
  "moe_layer_freq": 1, "routed_scaling_factor": 1.0, "vocab_size": 102400, "max_position_embeddings": 163840,
  "rms_norm_eps": 1e-06, "rope_theta": 10000, "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40,
  "mscale": 0.707, "mscale_all_dim": 0.707, "original_max_position_embeddings": 4096, "type": "yarn"}})";

TEST(DeepseekV2Test, Lite) {
  const Result<ModelSpec> spec = described(kV2Lite);
  ASSERT_TRUE(spec) << spec.error().to_string();
  const AttentionSpec& attention = spec->blocks[0].attention;
  EXPECT_EQ(attention.head_dim, 192);
  EXPECT_EQ(attention.q.weight, "model.layers.0.self_attn.q_proj.weight");
  EXPECT_EQ(attention.q.out_features, 16 * 192);
  EXPECT_FALSE(attention.latent->q_down.has_value());
  EXPECT_EQ(attention.latent->down.out_features, 512 + 64);
  EXPECT_EQ(attention.latent->up.out_features, 16 * 256);
  EXPECT_EQ(attention.o.in_features, 16 * 128);
  EXPECT_TRUE(attention.rope->interleaved);
  const double magnitude = 0.1 * 0.707 * std::log(40.0) + 1;
  EXPECT_DOUBLE_EQ(attention.scale, magnitude * magnitude / std::sqrt(192.0));
  EXPECT_EQ(std::get<GatedMlpSpec>(spec->blocks[0].mlp).gate.out_features, 10944);
  const MixtureSpec& mixture = std::get<MixtureSpec>(spec->blocks[1].mlp);
  EXPECT_EQ(mixture.experts.size(), 64u);
  EXPECT_FALSE(mixture.renormalise);
  EXPECT_EQ(mixture.rule.groups, 1);
  const GatedMlpSpec& shared = std::get<GatedMlpSpec>(*mixture.shared);
  EXPECT_EQ(shared.down.weight, "model.layers.1.mlp.shared_experts.down_proj.weight");
  EXPECT_EQ(shared.down.in_features, 2816);
}

TEST(DeepseekV2Test, WhatItRefuses) {
  EXPECT_EQ(refusal(with(kV2Lite, "\"softmax\"", "\"sigmoid\"")),
            "key 'scoring_func' is 'sigmoid'; it must be 'softmax'");
  EXPECT_EQ(refusal(with(kV2Lite, "\"norm_topk_prob\": false", "\"norm_topk_prob\": true")),
            "key 'norm_topk_prob' must be null or false");
  EXPECT_EQ(refusal(with(kV2Lite, "\"moe_layer_freq\": 1", "\"moe_layer_freq\": 2")), "key 'moe_layer_freq' must be 1");
  EXPECT_EQ(refusal(with(kV2Lite, "\"num_key_value_heads\": 16", "\"num_key_value_heads\": 8")),
            "key 'num_key_value_heads' is 8; latent attention has as many as there are heads, 16");
  EXPECT_EQ(refusal(with(kV2Lite, "\"greedy\"", "\"noaux_tc\"")),
            "key 'topk_method' is 'noaux_tc'; it must be 'group_limited_greedy'");
  const std::string grouped = with(kV2Lite, "\"greedy\"", "\"group_limited_greedy\"");
  EXPECT_EQ(refusal(with(grouped, "\"n_group\": 1", "\"n_group\": 7")),
            "key 'n_group' is 7, which does not divide the 64 experts");
  EXPECT_EQ(refusal(with(grouped, "\"n_group\": 1", "\"n_group\": 16")),
            "key 'num_experts_per_tok' is 6, more than the 4 experts of topk_group groups");
}

TEST(DeepseekV3Test, DefaultsAndRouter) {
  const Result<ModelSpec> spec = described(R"({
    "model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432, "num_hidden_layers": 5,
    "num_attention_heads": 128, "scoring_func": "sigmoid", "topk_method": "noaux_tc"})");
  ASSERT_TRUE(spec) << spec.error().to_string();
  const AttentionSpec& attention = spec->blocks[4].attention;
  EXPECT_EQ(attention.q.weight, "model.layers.4.self_attn.q_b_proj.weight");
  EXPECT_EQ(attention.q.in_features, 1536);
  EXPECT_EQ(attention.latent->q_down->weight, "model.layers.4.self_attn.q_a_proj.weight");
  EXPECT_EQ(attention.latent->q_norm->features, 1536);
  EXPECT_DOUBLE_EQ(attention.scale, 1 / std::sqrt(192.0));
  EXPECT_TRUE(std::holds_alternative<GatedMlpSpec>(spec->blocks[2].mlp));
  const MixtureSpec& mixture = std::get<MixtureSpec>(spec->blocks[3].mlp);
  EXPECT_EQ(mixture.experts.size(), 256u);
  EXPECT_EQ(mixture.experts_per_token, 8);
  EXPECT_TRUE(mixture.renormalise);
  EXPECT_EQ(mixture.rule.scores, RouterRule::Scores::kSigmoid);
  EXPECT_EQ(mixture.rule.choice_bias, "model.layers.3.mlp.gate.e_score_correction_bias");
  EXPECT_EQ(mixture.rule.groups, 8);
  EXPECT_EQ(mixture.rule.chosen_groups, 4);
  EXPECT_EQ(mixture.rule.group_score, RouterRule::GroupScore::kSumOfTwoLargest);
  EXPECT_EQ(mixture.rule.scale, 2.5);
}

}  // namespace
}  // namespace nwc
