#include "model/families/family.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "support/model_descriptions.h"

namespace nwc {
namespace {

using testing::described;
using testing::refusal;

// A Llama 3.1 in the form of older transformers; `change` replaces the first occurrence of `from`.
constexpr const char* kOldForm = R"({
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
  "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
  "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "hidden_act": "silu", "attention_bias": false,
  "mlp_bias": false, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "eos_token_id": [128001, 128008, 128009],
  "rope_theta": 500000.0,
  "rope_scaling": {"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                   "original_max_position_embeddings": 8192, "rope_type": "llama3"}})";

std::string changed(const std::string& from, const std::string& to) { return testing::with(kOldForm, from, to); }

const GatedMlpSpec& gated(const BlockSpec& block) { return std::get<GatedMlpSpec>(block.mlp); }

TEST(FamilyTest, ReadsLlama3InItsOlderForm) {
  const Result<ModelSpec> spec = described(kOldForm);
  ASSERT_TRUE(spec) << spec.error().to_string();
  EXPECT_EQ(spec->model_type, "llama");
  EXPECT_EQ(spec->hidden_size, 4096);
  EXPECT_EQ(spec->vocab_size, 128256);
  EXPECT_EQ(spec->max_positions, 131072);
  EXPECT_EQ(spec->eos_token_ids, (std::vector<int32_t>{128001, 128008, 128009}));
  EXPECT_EQ(spec->embedding, "model.embed_tokens.weight");
  EXPECT_EQ(spec->head.weight, "lm_head.weight");
  EXPECT_EQ(spec->head.out_features, 128256);
  ASSERT_EQ(spec->blocks.size(), 32u);

  const AttentionSpec& attention = spec->blocks[31].attention;
  EXPECT_EQ(attention.heads, 32);
  EXPECT_EQ(attention.kv_heads, 8);
  EXPECT_EQ(attention.head_dim, 128);
  EXPECT_DOUBLE_EQ(attention.scale, 0.088388347648318447);  // 1 / sqrt(128)
  EXPECT_EQ(attention.k.weight, "model.layers.31.self_attn.k_proj.weight");
  EXPECT_EQ(attention.k.in_features, 4096);
  EXPECT_EQ(attention.k.out_features, 1024);
  EXPECT_EQ(attention.k.bias, "");
  EXPECT_FALSE(attention.window.has_value());
  EXPECT_FALSE(attention.q_norm.has_value());
  EXPECT_EQ(attention.rope, (RopeSpec{500000, RopeSpec::Scaling::kLlama3, 8, 1, 4, 8192}));
  EXPECT_EQ(gated(spec->blocks[0]).down.weight, "model.layers.0.mlp.down_proj.weight");
  EXPECT_EQ(gated(spec->blocks[0]).down.in_features, 14336);
  EXPECT_EQ(spec->blocks[0].mlp_path.norm->eps, 1e-5);
  // Embedding, head, norm; per block 7 matrices and 2 norms.
  EXPECT_EQ(tensors_of(*spec).size(), 3u + 32 * 9);
}

TEST(FamilyTest, ReadsTheFormOfTransformers5) {
  const Result<ModelSpec> spec = described(R"({
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": null, "head_dim": 32, "vocab_size": 320,
    "max_position_embeddings": 256, "rms_norm_eps": 1e-06, "tie_word_embeddings": true, "attention_bias": true,
    "mlp_bias": true, "dtype": "float16", "eos_token_id": 1,
    "rope_parameters": {"rope_theta": 20000.0, "rope_type": "linear", "factor": 2.5}})");
  ASSERT_TRUE(spec) << spec.error().to_string();
  EXPECT_EQ(spec->eos_token_ids, (std::vector<int32_t>{1}));
  EXPECT_EQ(spec->head.weight, "model.embed_tokens.weight");
  const AttentionSpec& attention = spec->blocks[1].attention;
  EXPECT_EQ(attention.kv_heads, 4);
  EXPECT_EQ(attention.q.out_features, 128);
  EXPECT_EQ(attention.q.bias, "model.layers.1.self_attn.q_proj.bias");
  EXPECT_EQ(attention.o.bias, "model.layers.1.self_attn.o_proj.bias");
  EXPECT_EQ(gated(spec->blocks[1]).gate.bias, "model.layers.1.mlp.gate_proj.bias");
  EXPECT_EQ(attention.rope->theta, 20000);
  EXPECT_EQ(attention.rope->scaling, RopeSpec::Scaling::kLinear);
  EXPECT_EQ(attention.rope->factor, 2.5);
}

TEST(FamilyTest, RopeScalingHasAnEvenOlderForm) {
  const Result<ModelSpec> spec = described(changed(
      R"({"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                   "original_max_position_embeddings": 8192, "rope_type": "llama3"})",
      R"({"type": "linear", "factor": 4.0})"));
  ASSERT_TRUE(spec) << spec.error().to_string();
  EXPECT_EQ(spec->blocks[0].attention.rope, (RopeSpec{500000, RopeSpec::Scaling::kLinear, 4}));
}

TEST(FamilyTest, GenerationConfigHasTheLastWordOnEos) {
  const testing::TempDir dir;
  dir.add("config.json", kOldForm);
  dir.add("generation_config.json", R"({"eos_token_id": 7})");
  const Result<ModelSpec> spec = describe_model(dir.path());
  ASSERT_TRUE(spec) << spec.error().to_string();
  EXPECT_EQ(spec->eos_token_ids, (std::vector<int32_t>{7}));

  const auto eos = [&](const std::string& text) {
    dir.add("generation_config.json", text);
    const Result<ModelSpec> described = describe_model(dir.path());
    return described ? described->eos_token_ids : std::vector<int32_t>{-1};
  };
  const std::vector<int32_t> none, of_config{128001, 128008, 128009};
  EXPECT_EQ(eos("{}"), none);  // so that nothing stops generation, as in transformers
  EXPECT_EQ(eos(R"({"eos_token_id": null})"), none);
  EXPECT_EQ(eos(""), of_config);
  EXPECT_EQ(eos(" \n"), of_config);
  EXPECT_EQ(eos(R"({"eos_token_id": [2.0, 128256, -1], "temperature": NaN, "typical_p": -Infinity})"),
            (std::vector<int32_t>{2}));

  dir.add("generation_config.json", R"({"eos_token_id": "</s>"})");
  const Result<ModelSpec> word = describe_model(dir.path());
  ASSERT_FALSE(word);
  EXPECT_EQ(word.error().file(), (dir / "generation_config.json").string());
  EXPECT_EQ(word.error().message().substr(0, 52), "key 'eos_token_id' must be an integer, or a list of ");
}

TEST(FamilyTest, RefusesUnknownFamiliesWithTheKnownOnes) {
  const std::string config = changed("\"llama\"", "\"gpt2\"");
  EXPECT_EQ(
      refusal(config),
      "key 'model_type' is 'gpt2'; known are clip, deepseek_v2, deepseek_v3, dinov2, gemma2, gemma3, gemma3_text, "
      "glm, glm4, gpt_oss, granite, llama, ministral, mistral, mixtral, olmo2, olmo3, phi3, qwen2, qwen3, qwen3_moe, "
      "siglip, smollm3, starcoder2");
  EXPECT_EQ(described(config).error().code(), ErrorCode::kUnsupported);
}

TEST(FamilyTest, RefusesMissingKeys) {
  for (const char* key : {"model_type", "factor", "high_freq_factor"}) {
    const std::string quoted = "\"" + std::string(key) + "\"";
    const std::string prefix = std::string(key).find("factor") == std::string::npos ? "" : "rope_scaling.";
    EXPECT_EQ(refusal(changed(quoted, "\"other\"")), "key '" + prefix + key + "' is missing");
  }
}

TEST(FamilyTest, RefusesWrongValuesByKey) {
  EXPECT_EQ(refusal(changed("\"hidden_size\": 4096", "\"hidden_size\": 0")),
            "key 'hidden_size' is 0; it must lie between 1 and 16777216");
  EXPECT_EQ(refusal(changed("\"hidden_size\": 4096", "\"hidden_size\": 4095")),
            "key 'num_attention_heads' is 32, which does not divide the hidden size of 4095");
  EXPECT_EQ(refusal(changed("\"num_key_value_heads\": 8", "\"num_key_value_heads\": 5")),
            "key 'num_key_value_heads' is 5, which does not divide the 32 attention heads");
  EXPECT_EQ(refusal(changed("\"vocab_size\"", "\"head_dim\": 7, \"vocab_size\"")),
            "key 'head_dim' is 7; RoPE needs an even one");
  EXPECT_EQ(refusal(changed("\"silu\"", "\"relu\"")),
            "key 'hidden_act' is 'relu'; known are silu, gelu, gelu_pytorch_tanh and quick_gelu");
  EXPECT_EQ(refusal(changed("1e-05", "-1")), "key 'rms_norm_eps' is -1; it must lie between 0 and 1");
  EXPECT_EQ(refusal(changed("\"hidden_size\": 4096", "\"hidden_size\": null")),
            "key 'hidden_size' is null, which its type does not allow");
  EXPECT_EQ(refusal(changed("\"rope_theta\": 500000.0", "\"rope_theta\": 0")),
            "key 'rope_theta' is 0; it must lie between 1 and 1000000000000000");
  EXPECT_EQ(refusal(changed("\"rope_type\": \"llama3\"", "\"rope_type\": \"ntk\"")),
            "key 'rope_scaling.rope_type' is 'ntk'; known are default, linear, dynamic, llama3, longrope and yarn");
  EXPECT_EQ(refusal(changed("\"high_freq_factor\": 4.0", "\"high_freq_factor\": 1.0")),
            "key 'rope_scaling.high_freq_factor' must be larger than low_freq_factor");
  EXPECT_EQ(refusal(changed("\"rope_theta\"", "\"partial_rotary_factor\": 0.5, \"rope_theta\"")),
            "key 'partial_rotary_factor' must be 1 in this family where rope_type is \"llama3\"");
}

// The tensors say their dtype themselves.
TEST(FamilyTest, EveryNameOfADtypeWillDo) {
  for (const char* name : {"\"bfloat16\"", "\"torch.bfloat16\"", "\"auto\"", "\"float8_e4m3fn\"", "null",
                           "{\"\": \"bfloat16\"}", "\"float16\", \"dtype\": \"bfloat16\""}) {
    EXPECT_EQ(refusal(changed("\"bfloat16\"", name)), "no error") << name;
  }
}

TEST(FamilyTest, WholeNumbersMayBeWrittenAsFloats) {
  const Result<ModelSpec> spec = described(changed("\"hidden_size\": 4096", "\"hidden_size\": 4096.0"));
  ASSERT_TRUE(spec) << spec.error().to_string();
  EXPECT_EQ(spec->hidden_size, 4096);
  EXPECT_EQ(refusal(changed("\"hidden_size\": 4096", "\"hidden_size\": 4096.5")),
            "key 'hidden_size' is not an integer");
}

TEST(FamilyTest, RefusesWhatOnlyTransformersComputes) {
  EXPECT_EQ(refusal(changed("\"rope_theta\"", "\"is_causal\": false, \"rope_theta\"")),
            "key 'is_causal' must be true: only causal language models are computed");
  EXPECT_EQ(refusal(changed("\"rope_theta\"", "\"per_layer_config\": {\"0\": {}}, \"rope_theta\"")),
            "key 'per_layer_config' gives layers sizes of their own, which is not computed");
}

TEST(FamilyTest, RopeScalingReplacesRopeParameters) {
  const Result<ModelSpec> spec = described(
      changed("\"rope_theta\": 500000.0", R"("rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"})"));
  ASSERT_TRUE(spec) << spec.error().to_string();
  EXPECT_EQ(spec->blocks[0].attention.rope, (RopeSpec{10000, RopeSpec::Scaling::kLlama3, 8, 1, 4, 8192}));
}

TEST(FamilyTest, RopeParametersMayHaveTheOldNameOfTheirType) {
  const std::string scaling = kOldForm;
  std::string config = scaling.substr(0, scaling.find("\"rope_scaling\""));
  config += R"("rope_parameters": {"type": "linear", "factor": 4.0}})";
  const Result<ModelSpec> spec = described(config);
  ASSERT_TRUE(spec) << spec.error().to_string();
  EXPECT_EQ(spec->blocks[0].attention.rope, (RopeSpec{500000, RopeSpec::Scaling::kLinear, 4}));
}

TEST(FamilyTest, ReadsOurOwnQuantizationConfig) {
  EXPECT_TRUE(
      described(changed("\"rope_theta\"", "\"quantization_config\": {\"quant_method\": \"nwcodec\"}, \"rope_theta\"")));
}

std::string with_type(const char* model_type, const std::string& extra) {
  return changed("\"model_type\": \"llama\"", "\"model_type\": \"" + std::string(model_type) + "\"" + extra);
}

TEST(FamilyTest, MistralSlidesUnlessSwitchedOff) {
  const auto window = [](const std::string& extra) {
    return described(with_type("mistral", extra))->blocks[3].attention.window;
  };
  EXPECT_EQ(window(""), 4096);
  EXPECT_EQ(window(", \"sliding_window\": 512"), 512);
  EXPECT_EQ(window(", \"sliding_window\": null"), std::nullopt);
  EXPECT_EQ(refusal(with_type("mistral", ", \"sliding_window\": 0")),
            "key 'sliding_window' is 0; it must lie between 1 and 2147483648");
}

TEST(FamilyTest, ConfigurationsInOtherFilesAreRefused) {
  EXPECT_EQ(refusal(with_type("llama", ", \"configuration_files\": [\"config.json\", \"config.4.0.0.json\"]")),
            "key 'configuration_files' names config.4.0.0.json, which is not read");
  EXPECT_TRUE(described(with_type("llama", ", \"configuration_files\": [\"config.json\"]")));
}

// Ministral 8B is published as a Mistral with this key.
TEST(FamilyTest, LayerTypesMakeAMistralSlideInSomeLayersOnly) {
  std::string types;
  for (int layer = 0; layer < 32; ++layer) {
    types += std::string(layer == 0 ? "" : ", ") + (layer % 4 == 0 ? "\"full_attention\"" : "\"sliding_attention\"");
  }
  const std::string listed = ", \"layer_types\": [" + types + "]";
  for (const char* type : {"mistral", "ministral"}) {
    const Result<ModelSpec> spec = described(with_type(type, ", \"sliding_window\": 512" + listed));
    ASSERT_TRUE(spec) << spec.error().to_string();
    EXPECT_EQ(spec->blocks[0].attention.window, std::nullopt);
    EXPECT_EQ(spec->blocks[3].attention.window, 512);
    EXPECT_EQ(spec->blocks[4].attention.window, std::nullopt);
    EXPECT_EQ(described(with_type(type, ", \"layer_types\": null"))->blocks[4].attention.window, 4096);
  }
  EXPECT_NE(refusal(with_type("mistral", ", \"sliding_window\": null" + listed)).find("no sliding window is in force"),
            std::string::npos);
}

TEST(FamilyTest, Qwen2HasBiasesOnQueryKeyAndValueOnly) {
  const Result<ModelSpec> spec = described(with_type("qwen2", ""));
  ASSERT_TRUE(spec) << spec.error().to_string();
  const AttentionSpec& attention = spec->blocks[0].attention;
  EXPECT_EQ(attention.q.bias, "model.layers.0.self_attn.q_proj.bias");
  EXPECT_EQ(attention.v.bias, "model.layers.0.self_attn.v_proj.bias");
  EXPECT_EQ(attention.o.bias, "");
  EXPECT_EQ(gated(spec->blocks[0]).up.bias, "");
  EXPECT_EQ(attention.window, std::nullopt);
}

TEST(FamilyTest, Qwen2SlidesFromALayerOnOrByList) {
  const std::string on = ", \"use_sliding_window\": true, \"sliding_window\": 1024";
  const Result<ModelSpec> from = described(with_type("qwen2", on + ", \"max_window_layers\": 30"));
  ASSERT_TRUE(from) << from.error().to_string();
  EXPECT_EQ(from->blocks[29].attention.window, std::nullopt);
  EXPECT_EQ(from->blocks[30].attention.window, 1024);

  std::string types = "\"sliding_attention\"";
  for (int i = 1; i < 32; ++i) types += ", \"full_attention\"";
  const Result<ModelSpec> listed = described(with_type("qwen2", on + ", \"layer_types\": [" + types + "]"));
  ASSERT_TRUE(listed) << listed.error().to_string();
  EXPECT_EQ(listed->blocks[0].attention.window, 1024);
  EXPECT_EQ(listed->blocks[31].attention.window, std::nullopt);

  EXPECT_EQ(refusal(with_type("qwen2", on + ", \"layer_types\": [\"full_attention\"]")),
            "key 'layer_types' has 1 entries for 32 layers");
  EXPECT_EQ(refusal(with_type("qwen2", on + ", \"layer_types\": [\"full_attention\"" + types.substr(19, types.size()) +
                                           ", \"chunked\"]")),
            "key 'layer_types' has 33 entries for 32 layers");
  EXPECT_EQ(refusal(with_type("qwen2", on + ", \"layer_types\": [\"chunked\"" + types.substr(19) + "]")),
            "key 'layer_types' holds 'chunked'; known are full_attention and sliding_attention");
}

TEST(FamilyTest, Qwen3NormalisesHeadsOf128) {
  const Result<ModelSpec> spec = described(with_type("qwen3", ", \"ignored\": 0"));
  ASSERT_TRUE(spec) << spec.error().to_string();
  const AttentionSpec& attention = spec->blocks[5].attention;
  EXPECT_EQ(attention.head_dim, 128);
  ASSERT_TRUE(attention.q_norm.has_value());
  EXPECT_EQ(attention.q_norm->weight, "model.layers.5.self_attn.q_norm.weight");
  EXPECT_EQ(attention.q_norm->features, 128);
  EXPECT_EQ(attention.k_norm->weight, "model.layers.5.self_attn.k_norm.weight");
  EXPECT_EQ(attention.q.bias, "");

  const Result<ModelSpec> wide = described(
      changed("\"model_type\": \"llama\", \"hidden_size\": 4096", "\"model_type\": \"qwen3\", \"hidden_size\": 1024"));
  ASSERT_TRUE(wide) << wide.error().to_string();
  EXPECT_EQ(wide->blocks[0].attention.head_dim, 128);  // not 1024 / 32
  EXPECT_EQ(wide->blocks[0].attention.o.in_features, 4096);
}

TEST(FamilyTest, FamiliesAreSortedByName) {
  EXPECT_TRUE(std::is_sorted(families().begin(), families().end(),
                             [](const Family* a, const Family* b) { return a->model_type < b->model_type; }));
}

}  // namespace
}  // namespace nwc
