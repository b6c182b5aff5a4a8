#include "weights/tensor_name.h"

#include <gtest/gtest.h>

namespace nwc {
namespace {

TEST(TensorName, BlockAndLayer) {
  struct Case {
    std::string name, stack;
    std::optional<uint32_t> block;
    std::string layer;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"model.layers.3.self_attn.q_proj.weight", "model.layers.", 3, "self_attn.q_proj"},
           {"model.layers.12.mlp.experts.7.up_proj.weight", "model.layers.", 12, "mlp.experts.*.up_proj"},
           {"model.layers.12.mlp.experts.gate_up_proj", "model.layers.", 12, "mlp.experts.gate_up_proj"},
           {"h.0.weight", "h.", 0, "weight"},
           {"0.a.weight", "", 0, "a"},
           {"lm_head.weight", "", std::nullopt, "lm_head.weight"},
           {"a.b.0", "", std::nullopt, "a.b.0"},
           {"a.1b.weight", "", std::nullopt, "a.1b.weight"},
           {"a.999999999.b", "a.", 999999999, "b"},
           {"a.4294967296.b", "", std::nullopt, "a.4294967296.b"},
           {"a..b", "", std::nullopt, "a..b"},
           {"", "", std::nullopt, ""}}) {
    const TensorName name = TensorName::parse(c.name);
    EXPECT_EQ(name.stack, c.stack) << c.name;
    EXPECT_EQ(name.block, c.block) << c.name;
    EXPECT_EQ(name.layer, c.layer) << c.name;
  }
}

TEST(TensorName, RolesGoByWholeWords) {
  const std::pair<TensorRole, std::vector<const char*>> roles[] = {
      {TensorRole::kWeight,
       {"vln_layers.0.attn.qkv.weight", "l.0.normal_proj.weight", "l.0.abnormal.weight", "l.0.embedder_mlp.fc.weight",
        "model.vision_embed_tokens.encoder.layers.0.q_proj.weight", "l.0.gate_proj.weight", "l.0.biased_proj.weight",
        "conv_layers.0.mlp.up.weight", "l.0.conv.in_proj.weight", "l.0.norm1.linear.weight", "l.0.convert.weight",
        "l.0.tablet.weight", "embeddings.layers.0.fc1.weight", "l.0.mlp.0.weight", "weight"}},
      {TensorRole::kExperts, {"l.0.mlp.experts.gate_up_proj", "l.0.experts.down_proj"}},
      {TensorRole::kNorm,
       {"l.0.input_layernorm.weight", "l.0.q_norm.weight", "h.0.ln_1.weight", "vision.pre_layrnorm.weight",
        "l.0.norm1.weight", "l.0.LayerNorm.weight", "l.0.norm.0.weight", "ln_f.weight", "l.0.bn2.weight"}},
      {TensorRole::kEmbedding,
       {"model.embed_tokens.weight", "blocks.0.pos_table.weight", "codebook.0.weight", "text.0.token_type.weight",
        "wpe.weight", "embeddings.cls_embedding", "l.0.position_embeddings.weight", "time_embed.0.weight"}},
      {TensorRole::kBias,
       {"l.0.q_proj.bias", "l.0.experts.gate_up_proj_bias", "l.0.relative_attention_bias.weight",
        "l.0.mlp.gate.e_score_correction_bias"}},
      {TensorRole::kConvolution,
       {"l.0.conv1d.weight", "l.0.mixer.conv.weight", "l.0.depthwise_conv.weight", "encoder.pos_conv.0.weight",
        "conv1.weight", "l.0.Conv2d_1.weight", "l.0.conv_proj.weight"}},
      {TensorRole::kRouter,
       {"l.0.mlp.gate.weight", "l.0.mlp.router.weight", "l.0.router.layer.weight", "l.0.mlp.gate.wg.weight"}},
      {TensorRole::kOther,
       {"blocks.0.att.time_maa_w2", "l.0.self_attn.sinks", "l.0.attn.in_proj_weight", "l.0.q_proj.weight_scale",
        "l.0.q_proj.qweight", ""}}};
  for (const auto& [role, names] : roles) {
    for (const char* name : names)
      EXPECT_EQ(static_cast<int>(TensorName::parse(name).role), static_cast<int>(role)) << name;
  }
}

TEST(TensorName, Experts) {
  for (const char* name :
       {"l.0.mlp.experts.7.up_proj.weight", "l.0.experts.gate_up_proj", "l.0.shared_experts.up.weight"})
    EXPECT_TRUE(TensorName::parse(name).experts) << name;
  for (const char* name : {"l.0.self_attn.q_proj.weight", "l.0.experts", "l.0.expertise.weight"})
    EXPECT_FALSE(TensorName::parse(name).experts) << name;
}

TEST(TensorName, ModulesAndParameters) {
  EXPECT_EQ(module_of("a.up_proj.weight").module, "up_proj");
  EXPECT_EQ(module_of("a.up_proj.weight").parameter, "weight");
  EXPECT_EQ(module_of("a.mlp.0.2.weight").module, "mlp");
  EXPECT_EQ(module_of("0.weight").module, "");
  EXPECT_EQ(module_of("x").parameter, "x");
}

}  // namespace
}  // namespace nwc
