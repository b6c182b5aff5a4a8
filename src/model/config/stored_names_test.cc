#include "model/config/stored_names.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "model/config/spec_names.h"
#include "model/families/family.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

std::string config_of(const std::string& type, const std::string& more = "") {
  return R"({"model_type": ")" + type + R"(", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320, "max_position_embeddings": 256,
    "rms_norm_eps": 1e-06)" +
         more + "}";
}
const std::string kExperts = R"(, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32)";

ModelSpec described(const std::string& config) {
  const testing::TempDir dir;
  dir.add("config.json", config);
  Result<ModelSpec> spec = describe_model(dir.path());
  if (!spec) throw std::runtime_error(spec.error().to_string());
  return *std::move(spec);
}
EncoderModelSpec described_encoder(const std::string& config) {
  const testing::TempDir dir;
  dir.add("config.json", config);
  Result<EncoderModelSpec> spec = describe_encoder_model(dir.path());
  if (!spec) throw std::runtime_error(spec.error().to_string());
  return *std::move(spec);
}

using Rename = std::function<std::string(std::string)>;

// What a checkpoint lists that has a description's tensors under other names.
template <class Spec>
std::vector<WeightInfo> stored(const Spec& spec, const Rename& rename) {
  std::vector<WeightInfo> list;
  for (const TensorSpec& tensor : tensors_of(spec)) list.push_back({rename(tensor.name), DType::kF32, {}, false});
  return list;
}

std::vector<std::string> names_of(const std::vector<TensorSpec>& tensors) {
  std::vector<std::string> names;
  for (const TensorSpec& tensor : tensors) names.push_back(tensor.name);
  return names;
}

// Whether all tensors are found under their other names.
template <class Spec>
void expect_found(const Spec& spec, const Rename& rename, const std::string& what) {
  const std::vector<WeightInfo> list = stored(spec, rename);
  const Result<Spec> named = with_stored_names(spec, StoredNames(list));
  ASSERT_TRUE(named) << what << ": " << named.error().to_string();
  std::vector<std::string> wanted = names_of(tensors_of(spec));
  std::transform(wanted.begin(), wanted.end(), wanted.begin(), rename);
  EXPECT_EQ(names_of(tensors_of(*named)), wanted) << what;
}

// In the place of the family's own prefix; the head keeps its name.
Rename behind(const std::string& described_prefix, const std::string& prefix) {
  return [=](const std::string& name) {
    return name.starts_with(described_prefix) ? prefix + name.substr(described_prefix.size()) : name;
  };
}

const std::vector<std::pair<std::string, std::string>> kFamilies{
    {"llama", config_of("llama", R"(, "attention_bias": true, "mlp_bias": true)")},
    {"mistral", config_of("mistral")},
    {"mixtral", config_of("mixtral", kExperts)},
    {"qwen2", config_of("qwen2")},
    {"qwen3", config_of("qwen3")},
    {"qwen3_moe", config_of("qwen3_moe", kExperts)},
    {"gpt_oss", config_of("gpt_oss", kExperts)},
    {"gemma3_text", config_of("gemma3_text")},
    {"gemma2", config_of("gemma2")},
    {"phi3", config_of("phi3")},
    {"starcoder2", config_of("starcoder2")},
    {"olmo2", config_of("olmo2")}};
const std::vector<std::string> kEncoders{
    R"({"model_type": "clip", "projection_dim": 64, "text_config": {"model_type": "clip_text_model"},
        "vision_config": {"model_type": "clip_vision_model"}})",
    R"({"model_type": "siglip", "text_config": {"model_type": "siglip_text_model"},
        "vision_config": {"model_type": "siglip_vision_model"}})",
    R"({"model_type": "dinov2", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "mlp_ratio": 4,
        "image_size": 32, "patch_size": 8})"};

// Fields that descriptions gain later must be in names_in(), too.
TEST(SpecNames, AreAllTensors) {
  for (const auto& [type, config] : kFamilies) {
    ModelSpec spec = described(config);
    for (std::string* name : names_in(spec)) *name += name->empty() ? "" : "!";
    for (const TensorSpec& tensor : tensors_of(spec)) EXPECT_TRUE(tensor.name.ends_with('!')) << tensor.name;
  }
  for (const std::string& config : kEncoders) {
    EncoderModelSpec spec = described_encoder(config);
    for (std::string* name : names_in(spec)) *name += name->empty() ? "" : "!";
    for (const TensorSpec& tensor : tensors_of(spec)) EXPECT_TRUE(tensor.name.ends_with('!')) << tensor.name;
  }
}

TEST(StoredNames, AnyPrefixOfEveryFamily) {
  for (const auto& [type, config] : kFamilies) {
    const ModelSpec spec = described(config);
    for (const char* prefix : {"model.", "", "model.language_model.", "language_model.model.", "language_model.",
                               "transformer.", "base_model.model.model.", "base_model.model.", "somewhere.else."}) {
      expect_found(spec, behind("model.", prefix), type + " behind '" + prefix + "'");
    }
    // A head that went along with the rest.
    for (const char* prefix : {"model.", "base_model.model.", "language_model.", "somewhere.else."}) {
      expect_found(
          spec, [&](const std::string& name) { return prefix + name; }, type + " all behind " + prefix);
    }
  }
}

TEST(StoredNames, Gemma3InsideAMultiModalModel) {
  const ModelSpec spec = described(R"({"model_type": "gemma3", "text_config": )" + config_of("gemma3_text") + "}");
  ASSERT_EQ(spec.embedding, "language_model.model.embed_tokens.weight");
  for (const char* prefix : {"model.language_model.", "language_model.", "model.", ""})
    expect_found(spec, behind("language_model.model.", prefix), prefix);
  // Its tower of images has layers of its own.
  std::vector<WeightInfo> list = stored(spec, behind("language_model.model.", "model.language_model."));
  list.push_back({"model.vision_tower.vision_model.layers.0.self_attn.o_proj.weight", DType::kF32, {}, false});
  const Result<ModelSpec> named = with_stored_names(spec, StoredNames(list));
  ASSERT_TRUE(named) << named.error().to_string();
  EXPECT_EQ(named->blocks[1].attention.k.weight, "model.language_model.layers.1.self_attn.k_proj.weight");
}

TEST(StoredNames, PartsOfWrappers) {
  const ModelSpec spec = described(config_of("llama"));
  for (const char* prefix : {"module.", "_orig_mod.", "module._orig_mod.", "_fsdp_wrapped_module."})
    expect_found(
        spec, [&](const std::string& name) { return prefix + name; }, prefix);
  const auto inserted = [](const std::string& part) {
    return [part](std::string name) {
      const size_t at = name.find("mlp.");
      return at == std::string::npos ? name : name.insert(at, part);
    };
  };
  expect_found(spec, inserted("_fsdp_wrapped_module."), "inside a block");
  expect_found(spec, inserted("_checkpoint_wrapped_module."), "inside a block");
  // As a part of a name, not of a word.
  std::vector<WeightInfo> list = stored(spec, inserted("not_orig_mod."));
  EXPECT_EQ(names_of(tensors_of(*with_stored_names(spec, StoredNames(list)))), names_of(tensors_of(spec)));
}

TEST(StoredNames, SomeTensorsWithoutThePrefix) {
  // transformers adds and removes it name by name.
  const ModelSpec spec = described(config_of("qwen3"));
  expect_found(
      spec,
      [](const std::string& name) {
        return name.starts_with("model.layers.1.") || name == "model.norm.weight" ? name.substr(6) : name;
      },
      "mixed");
}

TEST(StoredNames, TheDescriptionsOwnNamesComeFirst) {
  const ModelSpec spec = described(config_of("llama"));
  std::vector<WeightInfo> list = stored(spec, [](const std::string& name) { return name; });
  const std::vector<WeightInfo> others = stored(spec, behind("model.", "ema."));
  list.insert(list.end(), others.begin(), others.end());
  EXPECT_EQ(names_of(tensors_of(*with_stored_names(spec, StoredNames(list)))), names_of(tensors_of(spec)));
}

TEST(StoredNames, SeveralPrefixesAreRefused) {
  const ModelSpec spec = described(config_of("llama"));
  std::vector<WeightInfo> list = stored(spec, behind("model.", "teacher."));
  const std::vector<WeightInfo> others = stored(spec, behind("model.", "student."));
  list.insert(list.end(), others.begin(), others.end());
  const Result<ModelSpec> named = with_stored_names(spec, StoredNames(list));
  ASSERT_FALSE(named);
  EXPECT_EQ(named.error().code(), ErrorCode::kMismatch);
  EXPECT_EQ(named.error().to_string(),
            "has 'layers.0.self_attn.o_proj.weight' behind several prefixes: 'student.', 'teacher.'; rename those of "
            "the language model to 'model....', or remove the others");
}

TEST(StoredNames, OneTensorUnderTwoNamesIsRefused) {
  const ModelSpec spec = described(config_of("llama"));
  std::vector<WeightInfo> list = stored(spec, [](const std::string& name) { return "module." + name; });
  list.push_back({"_orig_mod.model.norm.weight", DType::kF32, {}, false});
  const Result<ModelSpec> named = with_stored_names(spec, StoredNames(list));
  ASSERT_FALSE(named);
  EXPECT_EQ(named.error().tensor(), "model.norm.weight");
  EXPECT_EQ(named.error().message(), "is there as 'module.model.norm.weight' and as '_orig_mod.model.norm.weight'");
}

TEST(StoredNames, AnAdapterThatIsNotMergedIsRefused) {
  const ModelSpec spec = described(config_of("llama"));
  std::vector<WeightInfo> list = stored(spec, [](const std::string& name) {
    const size_t at = name.find("q_proj.weight");
    return "base_model.model." + (at == std::string::npos ? name : name.substr(0, at) + "q_proj.base_layer.weight");
  });
  list.push_back({"base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight", DType::kF32, {}, false});
  const Result<ModelSpec> named = with_stored_names(spec, StoredNames(list));
  ASSERT_FALSE(named);
  EXPECT_EQ(named.error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(named.error().message(), "belongs to a LoRA adapter that is not merged into the weights");
  EXPECT_EQ(named.error().tensor(), "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight");
}

TEST(StoredNames, WhatIsMissingKeepsItsName) {
  const ModelSpec spec = described(config_of("llama"));
  std::vector<WeightInfo> list = stored(spec, behind("model.", ""));
  std::erase_if(list, [](const WeightInfo& w) { return w.name == "layers.1.mlp.up_proj.weight"; });
  const Result<ModelSpec> named = with_stored_names(spec, StoredNames(list));
  ASSERT_TRUE(named);
  const GatedMlpSpec& mlp = std::get<GatedMlpSpec>(named->blocks[1].mlp);
  EXPECT_EQ(mlp.up.weight, "model.layers.1.mlp.up_proj.weight");
  EXPECT_EQ(mlp.down.weight, "layers.1.mlp.down_proj.weight");
}

TEST(StoredNames, FusedExpertsOfTransformers5) {
  for (const std::string type : {"mixtral", "qwen3_moe"}) {
    for (const std::string prefix : {"model.", "", "module.model."}) {
      const ModelSpec spec = described(config_of(type, kExperts));
      std::vector<WeightInfo> list = stored(spec, [&](std::string name) {
        const size_t at = name.find("block_sparse_moe");
        if (at != std::string::npos) name.replace(at, 16, "mlp");
        return behind("model.", prefix)(name);
      });
      std::erase_if(list, [](const WeightInfo& w) { return w.name.find(".experts.") != std::string::npos; });
      for (const std::string layer : {"layers.0.", "layers.1."}) {
        list.push_back({prefix + layer + "mlp.experts.gate_up_proj", DType::kF32, {}, false});
        list.push_back({prefix + layer + "mlp.experts.down_proj", DType::kF32, {}, false});
      }
      const Result<ModelSpec> named = with_stored_names(spec, StoredNames(list));
      ASSERT_TRUE(named) << named.error().to_string();
      const MixtureSpec& mixture = std::get<MixtureSpec>(named->blocks[1].mlp);
      EXPECT_EQ(mixture.router.weight, prefix + "layers.1.mlp.gate.weight");
      ASSERT_EQ(mixture.experts.size(), 4u);
      const FusedGateMlpSpec& expert = std::get<FusedGateMlpSpec>(mixture.experts[3]);
      const int64_t width = type == "mixtral" ? 96 : 32;
      EXPECT_EQ(expert.gate_up.weight, prefix + "layers.1.mlp.experts.gate_up_proj");
      EXPECT_EQ(expert.gate_up.weight_tensor().shape, (std::vector<int64_t>{4, 2 * width, 64}));
      EXPECT_EQ(expert.down.weight_tensor().shape, (std::vector<int64_t>{4, 64, width}));
      EXPECT_EQ(expert.gate_up.slice, (FusedSlice{3, 4, false}));
      EXPECT_FALSE(expert.interleaved);
    }
  }
}

TEST(StoredNames, FusedGatesAndQueries) {
  static constexpr const char* kFusedAway[] = {"gate_proj", "up_proj", "q_proj", "k_proj", "v_proj"};
  const ModelSpec spec = described(config_of("llama", R"(, "mlp_bias": true)"));
  std::vector<WeightInfo> list = stored(spec, behind("model.", "transformer."));
  std::erase_if(list, [](const WeightInfo& w) {
    return std::any_of(std::begin(kFusedAway), std::end(kFusedAway),
                       [&](const char* part) { return w.name.find(part) != std::string::npos; });
  });
  for (const std::string layer : {"transformer.layers.0.", "transformer.layers.1."}) {
    list.push_back({layer + "mlp.gate_up_proj.weight", DType::kF32, {}, false});
    list.push_back({layer + "mlp.gate_up_proj.bias", DType::kF32, {}, false});
    list.push_back({layer + "self_attn.qkv_proj.weight", DType::kF32, {}, false});
  }
  const Result<ModelSpec> named = with_stored_names(spec, StoredNames(list));
  ASSERT_TRUE(named) << named.error().to_string();
  const FusedGateMlpSpec& mlp = std::get<FusedGateMlpSpec>(named->blocks[1].mlp);
  EXPECT_EQ(mlp.gate_up.weight, "transformer.layers.1.mlp.gate_up_proj.weight");
  EXPECT_EQ(mlp.gate_up.bias, "transformer.layers.1.mlp.gate_up_proj.bias");
  EXPECT_EQ(mlp.gate_up.out_features, 192);
  EXPECT_EQ(mlp.down.bias, "transformer.layers.1.mlp.down_proj.bias");
  ASSERT_TRUE(named->blocks[1].attention.qkv);
  EXPECT_EQ(named->blocks[1].attention.qkv->weight, "transformer.layers.1.self_attn.qkv_proj.weight");
  EXPECT_EQ(named->blocks[1].attention.qkv->out_features, 64 + 32 + 32);
}

TEST(StoredNames, ExpertsInMxfp4KeepTheirName) {
  const ModelSpec spec = described(config_of("gpt_oss", kExperts));
  const Rename rename = [](const std::string& name) {
    const std::string behind_it = name.substr(6);
    return name.ends_with("gate_up_proj") || name.ends_with("down_proj") ? behind_it + "_blocks" : behind_it;
  };
  std::vector<WeightInfo> list =
      stored(spec, [&](const std::string& name) { return name.starts_with("model.") ? rename(name) : name; });
  const Result<ModelSpec> named = with_stored_names(spec, StoredNames(list));
  ASSERT_TRUE(named) << named.error().to_string();
  const MixtureSpec& mixture = std::get<MixtureSpec>(named->blocks[0].mlp);
  EXPECT_EQ(std::get<FusedGateMlpSpec>(mixture.experts[0]).down.weight, "layers.0.mlp.experts.down_proj");
}

TEST(StoredNames, Dinov2OfTransformers5) {
  const EncoderModelSpec spec = described_encoder(
      R"({"model_type": "dinov2", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "mlp_ratio": 4,
          "image_size": 32, "patch_size": 8, "use_swiglu_ffn": true})");
  ASSERT_TRUE(std::holds_alternative<FusedGateMlpSpec>(spec.towers[0].blocks[1].mlp));
  for (const std::string prefix : {"", "dinov2."}) {
    std::vector<WeightInfo> list = stored(spec, [&](std::string name) {
      for (const auto& [from, to] : {std::pair{"attention.attention.query", "attention.q_proj"},
                                     {"attention.attention.key", "attention.k_proj"},
                                     {"attention.attention.value", "attention.v_proj"},
                                     {"attention.output.dense", "attention.o_proj"},
                                     {"mlp.weights_in", "mlp.gate_proj"},
                                     {"mlp.weights_out", "mlp.down_proj"}}) {
        if (const size_t at = name.find(from); at != std::string::npos)
          name.replace(at, std::string_view(from).size(), to);
      }
      return prefix + name;
    });
    for (const char* block : {"encoder.layer.0.", "encoder.layer.1."}) {
      for (const char* parameter : {"weight", "bias"})
        list.push_back({prefix + block + "mlp.up_proj." + parameter, DType::kF32, {}, false});
    }
    const Result<EncoderModelSpec> named = with_stored_names(spec, StoredNames(list));
    ASSERT_TRUE(named) << named.error().to_string();
    const std::vector<std::string> names = names_of(tensors_of(*named));
    EXPECT_EQ(names.size(), list.size());
    for (const std::string& name : names) EXPECT_TRUE(StoredNames(list).has(name)) << name;
    const GatedMlpSpec& mlp = std::get<GatedMlpSpec>(named->towers[0].blocks[1].mlp);
    EXPECT_EQ(mlp.up.bias, prefix + "encoder.layer.1.mlp.up_proj.bias");
    EXPECT_EQ(2 * mlp.up.out_features, std::get<FusedGateMlpSpec>(spec.towers[0].blocks[1].mlp).gate_up.out_features);
  }
}

TEST(StoredNames, EncodersBehindAPrefix) {
  for (const std::string& config : kEncoders) {
    const EncoderModelSpec spec = described_encoder(config);
    for (const char* prefix : {"", "dinov2.", "clip.", "model.", "module."})
      expect_found(
          spec, [&](const std::string& name) { return prefix + name; }, config + " behind " + prefix);
  }
}

}  // namespace
}  // namespace nwc
