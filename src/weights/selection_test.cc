#include "weights/selection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "support/temp_dir.h"

namespace nwc {
namespace {

using Shape = std::vector<uint64_t>;
struct Named {
  std::string name;
  Shape shape;
};

TensorView view(const std::string& name, const Shape& shape, DType dtype = DType::kF32) {
  static const std::byte some[1] = {};
  uint64_t elements = 1;
  for (const uint64_t d : shape) elements *= d;
  return {name, dtype, shape, elements > 0 ? std::span(some) : std::span<const std::byte>(), 0};
}

Selection make(const SelectionOptions& options = {}, const std::string& model_type = "llama") {
  Result<Selection> selection = Selection::make(options, {.type = model_type});
  EXPECT_TRUE(selection.ok());
  return *std::move(selection);
}

Verdict judged(const Selection& selection, const TensorView& tensor) {
  const Result<Verdict> verdict = selection.judge(tensor);
  EXPECT_TRUE(verdict.ok()) << tensor.name;
  return *verdict;
}

bool wants_but_for_dtype(const Selection& selection, const TensorView& tensor) {
  const Result<bool> wanted = selection.wants_but_for_dtype(tensor);
  EXPECT_TRUE(wanted.ok()) << tensor.name;
  return *wanted;
}

bool wants(const Selection& selection, const TensorView& tensor) {
  const Result<bool> wanted = selection.wants(tensor);
  EXPECT_TRUE(wanted.ok());
  return *wanted;
}

// Compressed and left alone: names and shapes as transformers writes them, one block of each family and all that stands
// outside the blocks, sizes reduced.
struct Family {
  std::string name;
  std::vector<Named> linear, other;
};

std::vector<Named> llama_linears(const std::string& block) {
  return {{block + "self_attn.q_proj.weight", {64, 64}}, {block + "self_attn.k_proj.weight", {32, 64}},
          {block + "self_attn.v_proj.weight", {32, 64}}, {block + "self_attn.o_proj.weight", {64, 64}},
          {block + "mlp.gate_proj.weight", {112, 64}},   {block + "mlp.up_proj.weight", {112, 64}},
          {block + "mlp.down_proj.weight", {64, 112}}};
}
std::vector<Named> llama_others(const std::string& block) {
  return {{"lm_head.weight", {320, 64}},
          {"model.embed_tokens.weight", {320, 64}},
          {"model.norm.weight", {64}},
          {block + "input_layernorm.weight", {64}},
          {block + "post_attention_layernorm.weight", {64}}};
}
std::vector<Named> attention(const std::string& block) {
  std::vector<Named> all = llama_linears(block);
  all.resize(4);
  return all;
}
std::vector<Named> joined(std::vector<Named> a, const std::vector<Named>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
std::vector<Named> clip_linears(const std::string& layer) {
  std::vector<Named> all;
  for (const char* part :
       {"mlp.fc1", "mlp.fc2", "self_attn.k_proj", "self_attn.out_proj", "self_attn.q_proj", "self_attn.v_proj"}) {
    all.push_back({layer + part + ".weight", {64, 64}});
  }
  return all;
}
std::vector<Named> clip_others(const std::string& layer) {
  std::vector<Named> all;
  for (const char* part : {"mlp.fc1.bias", "mlp.fc2.bias", "self_attn.k_proj.bias", "layer_norm1.bias",
                           "layer_norm1.weight", "layer_norm2.weight"}) {
    all.push_back({layer + part, {64}});
  }
  return all;
}

std::vector<Family> families() {
  const std::string b0 = "model.layers.0.", b11 = "model.layers.11.";
  std::vector<Family> all;
  for (const char* name : {"llama2", "llama3", "mistral"})
    all.push_back({name, joined(llama_linears(b0), llama_linears(b11)), llama_others(b0)});
  all.push_back(
      {"qwen2", llama_linears(b0),
       joined(llama_others(b0), {{b0 + "self_attn.q_proj.bias", {64}}, {b0 + "self_attn.v_proj.bias", {32}}})});
  all.push_back(
      {"qwen3", llama_linears(b0),
       joined(llama_others(b0), {{b0 + "self_attn.q_norm.weight", {32}}, {b0 + "self_attn.k_norm.weight", {32}}})});
  all.push_back({"gemma3", llama_linears(b0),
                 joined(llama_others(b0), {{b0 + "pre_feedforward_layernorm.weight", {64}},
                                           {b0 + "post_feedforward_layernorm.weight", {64}}})});
  all.push_back({"qwen3_moe",
                 joined(attention(b0), {{b0 + "mlp.experts.0.down_proj.weight", {64, 48}},
                                        {b0 + "mlp.experts.7.gate_proj.weight", {48, 64}},
                                        {b0 + "mlp.experts.7.up_proj.weight", {48, 64}}}),
                 joined(llama_others(b0), {{b0 + "mlp.gate.weight", {8, 64}}})});
  all.push_back({"mixtral",
                 joined(attention(b0), {{b0 + "block_sparse_moe.experts.0.w1.weight", {112, 64}},
                                        {b0 + "block_sparse_moe.experts.3.w2.weight", {64, 112}},
                                        {b0 + "block_sparse_moe.experts.3.w3.weight", {112, 64}}}),
                 joined(llama_others(b0), {{b0 + "block_sparse_moe.gate.weight", {4, 64}}})});
  all.push_back({"gpt_oss",
                 joined(attention(b0),
                        {{b0 + "mlp.experts.gate_up_proj", {4, 64, 128}}, {b0 + "mlp.experts.down_proj", {4, 64, 64}}}),
                 joined(llama_others(b0), {{b0 + "mlp.experts.gate_up_proj_bias", {4, 128}},
                                           {b0 + "mlp.experts.down_proj_bias", {32, 64}},
                                           {b0 + "mlp.router.weight", {4, 64}},
                                           {b0 + "mlp.router.bias", {4}},
                                           {b0 + "self_attn.sinks", {4}},
                                           {b0 + "self_attn.q_proj.bias", {128}}})});
  const std::string text = "text_model.encoder.layers.0.", vision = "vision_model.encoder.layers.1.";
  all.push_back({"clip", joined(clip_linears(text), clip_linears(vision)),
                 joined(joined(clip_others(text), clip_others(vision)),
                        {{"logit_scale", {}},
                         {"text_model.embeddings.position_embedding.weight", {32, 48}},
                         {"text_model.embeddings.token_embedding.weight", {320, 48}},
                         {"text_model.final_layer_norm.weight", {48}},
                         {"text_projection.weight", {32, 48}},
                         {"visual_projection.weight", {32, 64}},
                         {"vision_model.embeddings.class_embedding", {64}},
                         {"vision_model.embeddings.patch_embedding.weight", {64, 3, 8, 8}},
                         {"vision_model.embeddings.position_embedding.weight", {17, 64}},
                         {"vision_model.pre_layrnorm.weight", {64}}})});
  all.push_back({"siglip", joined(clip_linears(text), clip_linears(vision)),
                 joined(joined(clip_others(text), clip_others(vision)),
                        {{"logit_bias", {1}},
                         {"text_model.head.weight", {64, 64}},
                         {"vision_model.head.attention.in_proj_weight", {192, 64}},
                         {"vision_model.head.attention.out_proj.weight", {64, 64}},
                         {"vision_model.head.mlp.fc1.weight", {112, 64}},
                         {"vision_model.head.probe", {1, 1, 64}},
                         {"vision_model.embeddings.patch_embedding.weight", {64, 3, 8, 8}},
                         {"vision_model.post_layernorm.weight", {64}}})});
  std::vector<Named> dino;
  for (const char* part : {"attention.attention.key", "attention.attention.query", "attention.attention.value",
                           "attention.output.dense", "mlp.fc1", "mlp.fc2"}) {
    dino.push_back({std::string("encoder.layer.0.") + part + ".weight", {64, 64}});
  }
  all.push_back({"dinov2",
                 dino,
                 {{"embeddings.cls_token", {1, 1, 64}},
                  {"embeddings.mask_token", {1, 64}},
                  {"embeddings.patch_embeddings.projection.weight", {64, 3, 8, 8}},
                  {"embeddings.position_embeddings", {1, 17, 64}},
                  {"encoder.layer.0.layer_scale1.lambda1", {64}},
                  {"encoder.layer.0.mlp.fc1.bias", {128}},
                  {"encoder.layer.0.norm1.weight", {64}},
                  {"layernorm.weight", {64}}}});
  return all;
}

TEST(Selection, TakesTheLinearsOfBlocksInEveryFamily) {
  const std::vector<Family> all = families();
  ASSERT_EQ(all.size(), 12u);
  for (const Family& family : all) {
    const Selection selection = make({}, family.name);
    for (const Named& t : family.linear)
      EXPECT_TRUE(wants(selection, view(t.name, t.shape))) << family.name << ": " << t.name;
    for (const Named& t : family.other)
      EXPECT_FALSE(wants(selection, view(t.name, t.shape))) << family.name << ": " << t.name;
  }
}

// Where the fixtures are at hand, every tensor in them: compressed are exactly the linear weights of blocks, by another
// rule.
TEST(Selection, AgreesWithTheFixtureCheckpoints) {
  const std::filesystem::path fixtures = NWC_SOURCE_DIR "/../shared/fixtures";
  if (!std::filesystem::exists(fixtures)) GTEST_SKIP() << "no fixtures";
  for (const Family& family : families()) {
    const Result<Checkpoint> checkpoint = Checkpoint::open(fixtures / family.name);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
    const Selection selection = make({}, family.name);
    size_t wanted = 0;
    for (const SafetensorsFile& shard : checkpoint->shards()) {
      for (const TensorView& tensor : shard.tensors()) {
        static const char* const linears[] = {"q_proj",  "k_proj",    "v_proj",       "o_proj", "out_proj", "gate_proj",
                                              "up_proj", "down_proj", "gate_up_proj", "w1",     "w2",       "w3",
                                              "fc1",     "fc2",       "key",          "query",  "value",    "dense"};
        std::string layer = tensor.name;
        if (layer.ends_with(".weight")) layer.resize(layer.size() - 7);
        const bool linear = std::any_of(std::begin(linears), std::end(linears),
                                        [&](const char* l) { return layer.ends_with(std::string(".") + l); });
        const bool expected = linear && layer.find(".head.") == std::string::npos && tensor.shape.size() >= 2;
        EXPECT_EQ(wants(selection, tensor), expected) << family.name << ": " << tensor.name;
        wanted += expected;
      }
    }
    EXPECT_GE(wanted, 12u) << family.name;
  }
}

TEST(Selection, OnlyFloatMatricesCanBeTaken) {
  const Selection all = make({.include = {"."}, .exclude = {}});
  EXPECT_TRUE(wants(all, view("x", {2, 2}, DType::kF32)));
  EXPECT_TRUE(wants(all, view("x", {2, 2}, DType::kF16)));
  EXPECT_TRUE(wants(all, view("x", {2, 2, 2}, DType::kBF16)));
  EXPECT_FALSE(wants(all, view("x", {2, 2}, DType::kF64)));
  EXPECT_FALSE(wants(all, view("x", {2, 2}, DType::kU8)));
  EXPECT_FALSE(wants(all, view("x", {2, 2}, DType::kF8E4M3)));
  EXPECT_FALSE(wants(all, view("x", {}, DType::kF32)));
  EXPECT_FALSE(wants(all, view("x", {4}, DType::kF32)));
  EXPECT_FALSE(wants(all, view("x", {2, 2, 2, 2}, DType::kF32)));
  EXPECT_FALSE(wants(all, view("x", {0, 5}, DType::kF32)));
}

TEST(Selection, SmallSidesAreLeftAlone) {
  const Selection selection = make();
  EXPECT_TRUE(wants(selection, view("a.0.b.weight", {16, 16})));
  EXPECT_FALSE(wants(selection, view("a.0.b.weight", {15, 1000})));
  EXPECT_FALSE(wants(selection, view("a.0.b.weight", {1000, 15})));
  EXPECT_TRUE(wants(selection, view("a.0.b.weight", {2, 16, 16}))) << "the batch is no side";
  EXPECT_FALSE(wants(selection, view("a.b.weight", {64, 64}))) << "in no numbered block";
  EXPECT_FALSE(wants(selection, view("a.b.0", {64, 64}))) << "the number must be a part before the last";
  EXPECT_FALSE(wants(selection, view("a.1b.weight", {64, 64})));
}

TEST(Selection, RoutersAreLeftAloneHoweverManyExperts) {
  const Selection selection = make();
  for (const char* router : {"mlp.gate", "block_sparse_moe.gate", "mlp.router"}) {
    EXPECT_FALSE(wants(selection, view("model.layers.0." + std::string(router) + ".weight", {128, 2048}))) << router;
  }
  EXPECT_TRUE(wants(selection, view("model.layers.0.mlp.gate_proj.weight", {128, 2048})));
  EXPECT_TRUE(wants(selection, view("model.layers.0.mlp.experts.gate_up_proj", {128, 2048, 64})));
}

TEST(Selection, FourBitBlocksAreLeftAlone) {
  const Selection selection = make({}, "gpt_oss");
  EXPECT_FALSE(wants(selection, view("model.layers.0.mlp.experts.down_proj_blocks", {32, 2880, 90, 16}, DType::kU8)));
  EXPECT_FALSE(wants(selection, view("model.layers.0.mlp.experts.down_proj_scales", {32, 2880, 90}, DType::kU8)));
}

TEST(Selection, TheWholeOfAMultimodalGemma) {
  const Selection selection = make({}, "gemma3");
  EXPECT_TRUE(wants(selection, view("language_model.model.layers.3.self_attn.q_proj.weight", {64, 64})));
  EXPECT_TRUE(wants(selection, view("vision_tower.vision_model.encoder.layers.3.mlp.fc1.weight", {64, 64})));
  EXPECT_FALSE(wants(selection, view("multi_modal_projector.mm_input_projection_weight", {64, 64})));
  EXPECT_FALSE(wants(selection, view("language_model.model.embed_tokens.weight", {320, 64})));
}

TEST(Selection, IncludeAddsAndExcludeWins) {
  const Selection selection = make({.include = {"^lm_head", "embed"}, .exclude = {"\\.0\\.", "tokens"}});
  EXPECT_TRUE(wants(selection, view("lm_head.weight", {320, 64})));
  EXPECT_FALSE(wants(selection, view("model.lm_head.weight", {320, 64})));
  EXPECT_TRUE(wants(selection, view("model.embed_positions.weight", {320, 64})));
  EXPECT_FALSE(wants(selection, view("model.embed_tokens.weight", {320, 64})));
  EXPECT_FALSE(wants(selection, view("model.layers.0.mlp.up_proj.weight", {64, 64})));
  EXPECT_TRUE(wants(selection, view("model.layers.1.mlp.up_proj.weight", {64, 64}))) << "the default stays";
}

TEST(Selection, ABrokenPatternIsRefused) {
  const std::pair<SelectionOptions, const char*> cases[] = {
      {{.include = {"("}, .exclude = {}}, "--include: regular expression '(', byte "},
      {{.include = {}, .exclude = {"a", "[z-a]"}}, "--exclude: regular expression '[z-a]', byte "}};
  for (const auto& [options, begin] : cases) {
    const Result<Selection> selection = Selection::make(options, {});
    ASSERT_FALSE(selection.ok()) << begin;
    EXPECT_EQ(selection.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_TRUE(selection.error().to_string().starts_with(begin)) << selection.error().to_string();
  }
}

TEST(Selection, APatternWithoutEndIsRefusedAtTheTensor) {
  const Selection selection = make({.include = {}, .exclude = {"(a+)+$b"}});
  const Result<bool> wanted = selection.wants(view("model.layers.0." + std::string(40, 'a') + ".weight", {32, 32}));
  ASSERT_FALSE(wanted.ok());
  EXPECT_EQ(wanted.error().code(), ErrorCode::kLimit);
  EXPECT_TRUE(wants(selection, view("model.layers.0.mlp.up_proj.weight", {32, 32})));
}

TEST(Selection, GoesByWholeWords) {
  const Selection selection = make();
  for (const char* name : {"vln_layers.0.attn.qkv.weight", "l.0.normal_proj.weight", "l.0.conv_proj.weight",
                           "l.0.conv.in_proj.weight", "l.0.unembedded.weight", "l.0.biased.weight",
                           "model.vision_embed_tokens.encoder.layers.0.self_attn.q_proj.weight"})
    EXPECT_EQ(name_of(judged(selection, view(name, {64, 64}))), "compressed") << name;
  const std::tuple<const char*, Shape, const char*> others[] = {
      {"blocks.0.pos_table.weight", {64, 64}, "embedding"},
      {"codebook.0.weight", {64, 64}, "embedding"},
      {"text_model.0.token_type.weight", {64, 64}, "embedding"},
      {"blocks.0.att.time_maa_w2", {5, 32, 64}, "not_linear"},
      {"l.0.self_attn.rel_pos", {64, 64}, "not_linear"},
      {"l.0.pos_conv.weight", {64, 64, 64}, "convolution"},
      {"l.0.layer_norm2.weight", {64, 64}, "norm"},
      {"l.0.relative_attention_bias.weight", {64, 64}, "bias"},
      {"l.0.router.layer.weight", {64, 64}, "router"},
      {"lm_head.weight", {64, 64}, "outside_blocks"},
      {"l.0.fc.weight", {15, 64}, "small"},
      {"l.0.patch_conv.weight", {64, 64, 2, 2}, "dimensions"},
      {"l.0.fc.weight", {64}, "dimensions"},
      {"l.0.fc.weight", {0, 64}, "empty"}};
  for (const auto& [name, shape, why] : others) EXPECT_EQ(name_of(judged(selection, view(name, shape))), why) << name;
}

TEST(Selection, SaysWhy) {
  const TensorView conv = view("l.0.conv.weight", {64, 64, 2, 2}), fp8 = view("l.0.a.weight", {64, 64}, DType::kF8E4M3);
  const Selection selection = make({.include = {}, .exclude = {"x"}});
  EXPECT_EQ(explanation_of(judged(selection, conv), conv),
            "has 4 dimensions: only matrices and batches of matrices are compressed");
  EXPECT_EQ(explanation_of(judged(selection, fp8), fp8), "is F8_E4M3: only F32, F16 and BF16 are compressed");
  EXPECT_EQ(name_of(judged(selection, view("l.0.x.weight", {64, 64}))), "excluded");
}

TEST(Selection, KnowsLinearWeightsOfOtherDtypes) {
  const Selection selection = make({.include = {"^head"}, .exclude = {"x"}});
  EXPECT_TRUE(wants_but_for_dtype(selection, view("l.0.a.weight", {64, 64}, DType::kF8E4M3)));
  EXPECT_TRUE(wants_but_for_dtype(selection, view("l.0.a.weight", {64, 64}, DType::kF64)));
  EXPECT_TRUE(wants_but_for_dtype(selection, view("l.0.a.qweight", {64, 64}, DType::kI32)));
  EXPECT_TRUE(wants_but_for_dtype(selection, view("l.0.a.weight_packed", {64, 64}, DType::kI32)));
  EXPECT_TRUE(wants_but_for_dtype(selection, view("head.weight", {64, 64}, DType::kF8E5M2)));
  EXPECT_FALSE(wants_but_for_dtype(selection, view("l.0.a.weight", {64, 64}))) << "wanted as it is";
  EXPECT_FALSE(wants_but_for_dtype(selection, view("l.0.a.qzeros", {64, 64}, DType::kI32)));
  EXPECT_FALSE(wants_but_for_dtype(selection, view("l.0.norm.weight", {64, 64}, DType::kF8E4M3)));
  EXPECT_FALSE(wants_but_for_dtype(selection, view("l.0.x.weight", {64, 64}, DType::kF8E4M3)));
  EXPECT_FALSE(wants_but_for_dtype(selection, view("l.0.a.weight", {64}, DType::kF8E4M3)));
}

}  // namespace
}  // namespace nwc
