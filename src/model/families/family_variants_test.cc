// Families beyond plain Llama, from configurations in the forms that stand on the Hub.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "model/families/family.h"
#include "support/model_descriptions.h"

namespace nwc {
namespace {

using testing::described;
using testing::described_encoder;
using testing::refusal;
using testing::with;

constexpr const char* kMixtral = R"({
  "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 3,
  "num_attention_heads": 32, "num_key_value_heads": 8, "num_experts_per_tok": 2, "num_local_experts": 8,
  "vocab_size": 32000, "max_position_embeddings": 32768, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
  "sliding_window": null, "torch_dtype": "bfloat16", "eos_token_id": 2})";

TEST(MixtralTest, EveryBlockHasAMixture) {
  const Result<ModelSpec> spec = described(kMixtral);
  ASSERT_TRUE(spec) << spec.error().to_string();
  const MixtureSpec& mixture = std::get<MixtureSpec>(spec->blocks[2].mlp);
  EXPECT_EQ(mixture.router.weight, "model.layers.2.block_sparse_moe.gate.weight");
  EXPECT_EQ(mixture.router.out_features, 8);
  EXPECT_EQ(mixture.experts_per_token, 2);
  EXPECT_TRUE(mixture.renormalise);
  ASSERT_EQ(mixture.experts.size(), 8u);
  const GatedMlpSpec& expert = std::get<GatedMlpSpec>(mixture.experts[7]);
  EXPECT_EQ(expert.gate.weight, "model.layers.2.block_sparse_moe.experts.7.w1.weight");
  EXPECT_EQ(expert.up.weight, "model.layers.2.block_sparse_moe.experts.7.w3.weight");
  EXPECT_EQ(expert.down.weight, "model.layers.2.block_sparse_moe.experts.7.w2.weight");
  EXPECT_EQ(expert.down.in_features, 14336);
  EXPECT_EQ(spec->blocks[0].attention.window, std::nullopt);
  EXPECT_EQ(described(with(kMixtral, "\"sliding_window\": null, ", ""))->blocks[0].attention.window, std::nullopt);
  EXPECT_EQ(described(with(kMixtral, "null", "4096"))->blocks[0].attention.window, 4096);
  EXPECT_EQ(refusal(described(with(kMixtral, "\"num_experts_per_tok\": 2", "\"num_experts_per_tok\": 9"))),
            "key 'num_experts_per_tok' is 9; it must lie between 1 and 8");
}

constexpr const char* kQwen3Moe = R"({
  "model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 6, "head_dim": 128,
  "num_attention_heads": 32, "num_key_value_heads": 4, "num_experts": 128, "num_experts_per_tok": 8,
  "moe_intermediate_size": 768, "norm_topk_prob": true, "decoder_sparse_step": 1, "mlp_only_layers": [],
  "vocab_size": 151936, "max_position_embeddings": 40960, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
  "sliding_window": null, "use_sliding_window": false, "torch_dtype": "bfloat16", "eos_token_id": 151645})";

TEST(Qwen3MoeTest, NarrowExpertsInTheOlderForm) {
  const Result<ModelSpec> spec = described(kQwen3Moe);
  ASSERT_TRUE(spec) << spec.error().to_string();
  const MixtureSpec& mixture = std::get<MixtureSpec>(spec->blocks[5].mlp);
  EXPECT_EQ(mixture.router.weight, "model.layers.5.mlp.gate.weight");
  EXPECT_EQ(mixture.experts_per_token, 8);
  EXPECT_TRUE(mixture.renormalise);
  ASSERT_EQ(mixture.experts.size(), 128u);
  const GatedMlpSpec& expert = std::get<GatedMlpSpec>(mixture.experts[100]);
  EXPECT_EQ(expert.up.weight, "model.layers.5.mlp.experts.100.up_proj.weight");
  EXPECT_EQ(expert.up.out_features, 768);
  EXPECT_EQ(spec->blocks[0].attention.q_norm->weight, "model.layers.0.self_attn.q_norm.weight");
}

TEST(Qwen3MoeTest, SomeBlocksMayBeDense) {
  std::string config = with(kQwen3Moe, "\"decoder_sparse_step\": 1", "\"decoder_sparse_step\": 2");
  config = with(config, "\"mlp_only_layers\": []", "\"mlp_only_layers\": [3]");
  config = with(config, "\"norm_topk_prob\": true", "\"norm_topk_prob\": false");
  const Result<ModelSpec> spec = described(config);
  ASSERT_TRUE(spec) << spec.error().to_string();
  for (const size_t dense : {0, 2, 3, 4}) {
    ASSERT_TRUE(std::holds_alternative<GatedMlpSpec>(spec->blocks[dense].mlp)) << dense;
    EXPECT_EQ(std::get<GatedMlpSpec>(spec->blocks[dense].mlp).gate.out_features, 6144);
  }
  for (const size_t mixed : {1, 5}) EXPECT_FALSE(std::get<MixtureSpec>(spec->blocks[mixed].mlp).renormalise);
}

constexpr const char* kGptOss = R"({
  "model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 4, "head_dim": 64,
  "num_attention_heads": 64, "num_key_value_heads": 8, "num_local_experts": 32, "num_experts_per_tok": 4,
  "attention_bias": true, "hidden_act": "silu", "sliding_window": 128, "swiglu_limit": 7.0, "vocab_size": 201088,
  "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 150000, "eos_token_id": 200002,
  "quantization_config": {"modules_to_not_convert": ["lm_head"], "quant_method": "mxfp4"},
  "rope_scaling": {"beta_fast": 32.0, "beta_slow": 1.0, "factor": 32.0, "original_max_position_embeddings": 4096,
                   "rope_type": "yarn", "truncate": false}})";

TEST(GptOssTest, PublishedForm) {
  const Result<ModelSpec> spec = described(kGptOss);
  ASSERT_TRUE(spec) << spec.error().to_string();
  const BlockSpec& block = spec->blocks[2];
  EXPECT_EQ(block.attention.sinks, "model.layers.2.self_attn.sinks");
  EXPECT_EQ(block.attention.o.bias, "model.layers.2.self_attn.o_proj.bias");
  EXPECT_EQ(block.attention.window, 128);
  EXPECT_EQ(spec->blocks[3].attention.window, std::nullopt);
  const RopeSpec& rope = *block.attention.rope;
  EXPECT_EQ(rope.scaling, RopeSpec::Scaling::kYarn);
  EXPECT_EQ(rope.original_positions, 4096);
  EXPECT_FALSE(rope.whole_dimensions);
  EXPECT_DOUBLE_EQ(rope.magnitude, 0.1 * std::log(32.0) + 1);

  const MixtureSpec& mixture = std::get<MixtureSpec>(block.mlp);
  EXPECT_EQ(mixture.router.weight, "model.layers.2.mlp.router.weight");
  EXPECT_EQ(mixture.router.bias, "model.layers.2.mlp.router.bias");
  ASSERT_EQ(mixture.experts.size(), 32u);
  const FusedGateMlpSpec& expert = std::get<FusedGateMlpSpec>(mixture.experts[31]);
  EXPECT_EQ(expert.gate_up.slice, (FusedSlice{31, 32, true}));
  EXPECT_EQ(expert.gate_up.weight_tensor().name, "model.layers.2.mlp.experts.gate_up_proj");
  EXPECT_EQ(expert.gate_up.weight_tensor().shape, (std::vector<int64_t>{32, 2880, 5760}));
  EXPECT_EQ(expert.down.bias_tensor().name, "model.layers.2.mlp.experts.down_proj_bias");
  EXPECT_EQ(expert.down.bias_tensor().shape, (std::vector<int64_t>{32, 2880}));
  EXPECT_TRUE(expert.interleaved);
  EXPECT_EQ(expert.rule.limit, 7);
  EXPECT_EQ(expert.rule.value_offset, 1);
  // Per block 4 layers and 2 norms, with biases but for the norms, sinks, router and 2 fused layers, each with a bias.
  EXPECT_EQ(tensors_of(*spec).size(), 3u + 4 * (4 * 2 + 2 + 1 + 3 * 2));
}

TEST(GptOssTest, WhatIsLeftOutHasItsOwnDefaults) {
  const std::string config = kGptOss;
  const Result<ModelSpec> spec = described(config.substr(0, config.find(", \"rope_theta\"")) + "}");
  ASSERT_TRUE(spec) << spec.error().to_string();
  EXPECT_EQ(spec->blocks[0].attention.rope->theta, 150000);
  EXPECT_EQ(spec->blocks[0].attention.rope->scaling, RopeSpec::Scaling::kYarn);
  EXPECT_EQ(spec->blocks[0].attention.rope->factor, 32);
  EXPECT_FALSE(spec->blocks[0].attention.rope->whole_dimensions);
  EXPECT_EQ(refusal(described(with(kGptOss, "\"swiglu_limit\"", "\"swiglu_alpha\": 1.5, \"swiglu_limit\""))),
            "key 'swiglu_alpha' is 1.5; known is 1.702");
  const Result<ModelSpec> other =
      described(with(kGptOss, "\"num_local_experts\"", "\"num_experts\": 16, \"num_local_experts\""));
  ASSERT_TRUE(other) << other.error().to_string();
  EXPECT_EQ(std::get<MixtureSpec>(other->blocks[0].mlp).experts.size(), 16u);  // the other name has the last word
}

TEST(MixtralTest, ThetaIsAMillionIfNobodySays) {
  const Result<ModelSpec> spec = described(with(kMixtral, "\"rope_theta\": 1000000.0,", ""));
  ASSERT_TRUE(spec) << spec.error().to_string();
  EXPECT_EQ(spec->blocks[0].attention.rope->theta, 1e6);
}

TEST(Qwen3MoeTest, AllBlocksSlideOrNone) {
  const std::string on = with(kQwen3Moe, "\"use_sliding_window\": false", "\"use_sliding_window\": true");
  EXPECT_EQ(described(on)->blocks[0].attention.window, std::nullopt);
  EXPECT_EQ(described(with(on, "\"sliding_window\": null", "\"sliding_window\": 64"))->blocks[0].attention.window, 64);
}

TEST(LayerWindowTest, SlidingLayersNeedAWindow) {
  const std::string config = with(kGptOss, "\"sliding_window\": 128", "\"sliding_window\": null");
  EXPECT_EQ(refusal(described(config)),
            "key 'layer_types' has layers of sliding_attention, but no sliding window is in force");
}

TEST(RopeConfigTest, YarnMayStateItsMagnitude) {
  const auto magnitude = [](const std::string& extra) {
    const Result<ModelSpec> spec = described(with(kGptOss, "\"truncate\": false", "\"truncate\": false, " + extra));
    return spec ? spec->blocks[0].attention.rope->magnitude : -1;
  };
  EXPECT_EQ(magnitude("\"attention_factor\": 0.5"), 0.5);
  EXPECT_DOUBLE_EQ(magnitude("\"mscale\": 1.0, \"mscale_all_dim\": 1.0"), 1);
  EXPECT_DOUBLE_EQ(magnitude("\"mscale\": 2.0, \"mscale_all_dim\": 1.0"),
                   (0.2 * std::log(32.0) + 1) / (0.1 * std::log(32.0) + 1));
  const Result<ModelSpec> whole = described(with(kGptOss, "\"original_max_position_embeddings\": 4096,", ""));
  ASSERT_TRUE(whole) << whole.error().to_string();
  EXPECT_EQ(whole->blocks[0].attention.rope->original_positions, 131072);  // max_position_embeddings
}

constexpr const char* kGemma3Text = R"({
  "model_type": "gemma3_text", "hidden_size": 1152, "intermediate_size": 6912, "num_hidden_layers": 26, "head_dim": 256,
  "num_attention_heads": 4, "num_key_value_heads": 1, "hidden_activation": "gelu_pytorch_tanh", "sliding_window": 512,
  "sliding_window_pattern": 6, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_local_base_freq": 10000,
  "rope_scaling": null, "rope_theta": 1000000, "vocab_size": 262144, "max_position_embeddings": 32768,
  "attn_logit_softcapping": null, "final_logit_softcapping": null, "torch_dtype": "bfloat16"})";

TEST(Gemma3Test, OlderForm) {
  const Result<ModelSpec> spec = described(kGemma3Text);
  ASSERT_TRUE(spec) << spec.error().to_string();
  EXPECT_EQ(spec->head.weight, "model.embed_tokens.weight");
  EXPECT_DOUBLE_EQ(spec->embedding_scale, std::sqrt(1152.0));
  EXPECT_EQ(spec->final_norm.weight_offset, 1);
  const BlockSpec& sliding = spec->blocks[4];
  EXPECT_EQ(sliding.attention.window, 512);
  EXPECT_EQ(sliding.attention.rope->theta, 10000);
  EXPECT_EQ(spec->blocks[5].attention.window, std::nullopt);
  EXPECT_EQ(spec->blocks[5].attention.rope->theta, 1000000);
  EXPECT_EQ(sliding.attention.scale, 1 / 16.0);
  EXPECT_EQ(sliding.attention.q_norm->weight_offset, 1);
  EXPECT_EQ(sliding.attention_path.post_norm->weight, "model.layers.4.post_attention_layernorm.weight");
  EXPECT_EQ(sliding.mlp_path.norm->weight, "model.layers.4.pre_feedforward_layernorm.weight");
  EXPECT_EQ(sliding.mlp_path.post_norm->weight, "model.layers.4.post_feedforward_layernorm.weight");
  EXPECT_EQ(sliding.mlp_path.post_norm->weight_offset, 1);
  EXPECT_EQ(std::get<GatedMlpSpec>(sliding.mlp).rule.activation, Activation::kGeluTanh);
  EXPECT_EQ(described(with(kGemma3Text, "\"final_logit_softcapping\": null", "\"final_logit_softcapping\": 30.0"))
                ->logit_softcap,
            30);
  EXPECT_EQ(
      refusal(described(with(kGemma3Text, "\"attn_logit_softcapping\": null", "\"attn_logit_softcapping\": 30.0"))),
      "key 'attn_logit_softcapping' must be null or false");
}

TEST(Gemma3Test, MultimodalConfigurationsLeaveMostOut) {
  const Result<ModelSpec> spec = described(R"({
    "model_type": "gemma3", "eos_token_id": [1, 106], "torch_dtype": "bfloat16", "vision_config": {"hidden_size": 1152},
    "text_config": {"hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text",
                    "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
                    "sliding_window": 1024}})");
  ASSERT_TRUE(spec) << spec.error().to_string();
  EXPECT_EQ(spec->model_type, "gemma3");
  EXPECT_EQ(spec->eos_token_ids, (std::vector<int32_t>{1, 106}));
  EXPECT_EQ(spec->vocab_size, 262208);
  EXPECT_EQ(spec->embedding, "language_model.model.embed_tokens.weight");
  const BlockSpec& full = spec->blocks[29];
  EXPECT_EQ(full.attention.q.weight, "language_model.model.layers.29.self_attn.q_proj.weight");
  EXPECT_EQ(full.attention.heads, 8);
  EXPECT_EQ(full.attention.kv_heads, 4);
  EXPECT_EQ(full.attention.head_dim, 256);
  EXPECT_EQ(full.attention.rope, (RopeSpec{1e6, RopeSpec::Scaling::kLinear, 8}));
  EXPECT_EQ(spec->blocks[0].attention.rope, (RopeSpec{1e4}));
  EXPECT_EQ(spec->blocks[0].attention.window, 1024);
}

TEST(Gemma3Test, TheOuterConfigurationTies) {
  const auto head = [](const std::string& inner, const std::string& outer) {
    return described(R"({"model_type": "gemma3", "text_config": {"num_hidden_layers": 1)" + inner + "}" + outer + "}")
        ->head.weight;
  };
  EXPECT_EQ(head("", ""), "language_model.model.embed_tokens.weight");
  EXPECT_EQ(head(R"(, "tie_word_embeddings": false)", ""), "language_model.model.embed_tokens.weight");
  EXPECT_EQ(head("", R"(, "tie_word_embeddings": false)"), "language_model.lm_head.weight");
  EXPECT_EQ(head("", R"(, "tie_word_embeddings": null)"), "language_model.lm_head.weight");
}

TEST(Gemma3Test, EosMayStandInside) {
  const Result<ModelSpec> spec =
      described(R"({"model_type": "gemma3", "text_config": {"num_hidden_layers": 1, "eos_token_id": [1, 106]}})");
  ASSERT_TRUE(spec) << spec.error().to_string();
  EXPECT_EQ(spec->eos_token_ids, (std::vector<int32_t>{1, 106}));
}

TEST(Gemma3Test, RopeScalingGoesIntoTheFullLayersParameters) {
  const std::string scaled = with(kGemma3Text, "\"rope_scaling\": null", R"("rope_scaling": {"rope_type": "linear",
    "factor": 8.0}, "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 7.0},
    "sliding_attention": {"rope_theta": 8.0}})");
  const Result<ModelSpec> spec = described(scaled);
  ASSERT_TRUE(spec) << spec.error().to_string();
  EXPECT_EQ(spec->blocks[5].attention.rope, (RopeSpec{7, RopeSpec::Scaling::kLinear, 8}));
  EXPECT_EQ(spec->blocks[0].attention.rope, (RopeSpec{8}));
}

TEST(ClipTest, TheDictOfTheFirstConversionsReplacesTheOther) {
  const Result<EncoderModelSpec> spec = described_encoder(R"({
    "model_type": "clip", "text_config": {"hidden_size": 256, "num_hidden_layers": 3},
    "text_config_dict": {"num_hidden_layers": 5}, "vision_config": {"num_hidden_layers": 2},
    "vision_config_dict": null})");
  ASSERT_TRUE(spec) << spec.error().to_string();
  EXPECT_EQ(spec->towers[0].blocks.size(), 2u);
  EXPECT_EQ(spec->towers[1].blocks.size(), 5u);
  EXPECT_EQ(spec->towers[1].hidden_size, 512);
}

TEST(ClipTest, OldEndTokenMeansTheLargest) {
  constexpr const char* kConfig = R"({
    "model_type": "clip", "projection_dim": 768, "torch_dtype": "float32",
    "text_config": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "eos_token_id": 2},
    "vision_config": {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16,
                      "num_hidden_layers": 24, "patch_size": 14}})";
  const Result<EncoderModelSpec> spec = described_encoder(kConfig);
  ASSERT_TRUE(spec) << spec.error().to_string();
  ASSERT_EQ(spec->towers.size(), 2u);
  const EncoderSpec &vision = spec->towers[0], &text = spec->towers[1];
  EXPECT_EQ(vision.blocks.size(), 24u);
  EXPECT_EQ(text.blocks.size(), 12u);
  EXPECT_TRUE(text.blocks[0].attention.causal);
  EXPECT_FALSE(vision.blocks[0].attention.causal);
  EXPECT_FALSE(vision.blocks[0].attention.rope.has_value());
  EXPECT_EQ(std::get<PatchInputSpec>(vision.input).positions.shape, (std::vector<int64_t>{257, 1024}));
  EXPECT_EQ(std::get<PositionPoolSpec>(text.output.pool).position, PositionPoolSpec::Position::kLargestToken);
  EXPECT_EQ(text.output.projection->out_features, 768);
  EXPECT_EQ(std::get<PlainMlpSpec>(text.blocks[0].mlp).activation, Activation::kQuickGelu);

  const Result<EncoderModelSpec> later = described_encoder(with(kConfig, "\"eos_token_id\": 2", "\"eos_token_id\": 9"));
  EXPECT_EQ(std::get<PositionPoolSpec>(later->towers[1].output.pool).end_token, 9);
}

TEST(SiglipTest, ConfigurationsMayBeAllDefaults) {
  const Result<EncoderModelSpec> spec = described_encoder(
      R"({"model_type": "siglip", "text_config": {"model_type": "siglip_text_model"},
          "vision_config": {"model_type": "siglip_vision_model"}})");
  ASSERT_TRUE(spec) << spec.error().to_string();
  const EncoderSpec &vision = spec->towers[0], &text = spec->towers[1];
  EXPECT_EQ(vision.blocks.size(), 12u);
  EXPECT_EQ(std::get<PatchInputSpec>(vision.input).positions.shape, (std::vector<int64_t>{196, 768}));
  EXPECT_TRUE(std::get<PatchInputSpec>(vision.input).class_token.name.empty());
  EXPECT_EQ(std::get<AttentionPoolSpec>(vision.output.pool).in_weight.shape, (std::vector<int64_t>{2304, 768}));
  EXPECT_EQ(std::get<TokenInputSpec>(text.input).tokens.shape, (std::vector<int64_t>{32000, 768}));
  EXPECT_FALSE(text.blocks[0].attention.causal);
  EXPECT_EQ(text.output.projection->bias, "text_model.head.bias");
  EXPECT_EQ(spec->similarity->bias.name, "logit_bias");
}

TEST(Dinov2Test, TheLargestHasAGatedMlp) {
  constexpr const char* kConfig = R"({
    "model_type": "dinov2", "hidden_size": 1536, "num_hidden_layers": 40, "num_attention_heads": 24, "mlp_ratio": 4,
    "image_size": 518, "patch_size": 14, "use_swiglu_ffn": true, "qkv_bias": true, "torch_dtype": "float32"})";
  const Result<EncoderModelSpec> spec = described_encoder(kConfig);
  ASSERT_TRUE(spec) << spec.error().to_string();
  const EncoderSpec& tower = spec->towers.at(0);
  const FusedGateMlpSpec& mlp = std::get<FusedGateMlpSpec>(tower.blocks[39].mlp);
  EXPECT_EQ(mlp.gate_up.weight, "encoder.layer.39.mlp.weights_in.weight");
  EXPECT_EQ(mlp.gate_up.out_features, 8192);
  EXPECT_FALSE(mlp.interleaved);
  EXPECT_EQ(std::get<PatchInputSpec>(tower.input).positions.shape, (std::vector<int64_t>{1, 1370, 1536}));
  const Result<EncoderModelSpec> plain =
      described_encoder(with(kConfig, "\"use_swiglu_ffn\": true, \"qkv_bias\": true", "\"qkv_bias\": false"));
  EXPECT_EQ(std::get<PlainMlpSpec>(plain->towers[0].blocks[0].mlp).up.out_features, 6144);
  EXPECT_EQ(plain->towers[0].blocks[0].attention.k.bias, "");
  EXPECT_NE(plain->towers[0].blocks[0].attention.o.bias, "");
  EXPECT_EQ(refusal(described_encoder(with(kConfig, "\"patch_size\": 14", "\"patch_size\": 600"))),
            "key 'patch_size' is 600, larger than the images of 518");
  EXPECT_EQ(refusal(described_encoder(with(kConfig, "\"num_attention_heads\": 24", "\"num_attention_heads\": 25"))),
            "key 'num_attention_heads' is 25, which does not divide the hidden size of 1536");
}

TEST(FamilyKindsTest, EncodersAreNoLanguageModelsAndTheReverse) {
  EXPECT_EQ(refusal(described(R"({"model_type": "clip"})")),
            "key 'model_type' is 'clip', which is not a language model");
  EXPECT_EQ(refusal(described_encoder(kMixtral)), "key 'model_type' is 'mixtral', which is not an encoder");
}

}  // namespace
}  // namespace nwc
