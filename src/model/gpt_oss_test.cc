// A toy GPT-OSS, stored plainly and in MXFP4 as published.
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "libtorch/tensors.h"
#include "model/causal_lm.h"
#include "support/safetensors_builder.h"
#include "support/toy_checkpoint.h"

namespace nwc {
namespace {

using testing::raw;
using testing::SafetensorsBuilder;
using testing::TempDir;

constexpr uint64_t kHidden = 32, kWidth = 64, kExperts = 3, kVocab = 16;
constexpr const char* kConfig = R"({
  "model_type": "gpt_oss", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 8,
  "num_attention_heads": 4, "num_key_value_heads": 2, "num_local_experts": 3, "num_experts_per_tok": 2,
  "sliding_window": 5, "vocab_size": 16, "max_position_embeddings": 64, "rms_norm_eps": 1e-05, "rope_theta": 10000,
  "rope_scaling": {"factor": 4.0, "original_max_position_embeddings": 16, "rope_type": "yarn", "truncate": false}})";

class Writer {
 public:
  explicit Writer(bool four_bits) : four_bits_(four_bits) {}

  void add(const std::string& name, const std::vector<uint64_t>& shape, float scale = 1) {
    builder_.add(name, "F32", shape, raw<float>(testing::toy_tensor(shape, scale, ++seed_).values));
  }

  // [kExperts, in, out], or its 4-bit form, with the same values.
  void add_experts(const std::string& name, uint64_t in, uint64_t out) {
    std::vector<uint8_t> blocks, scales;
    std::vector<float> plain(kExperts * in * out);
    uint32_t state = ++seed_;
    for (uint64_t e = 0; e < kExperts; ++e) {
      for (uint64_t o = 0; o < out; ++o) {
        for (uint64_t i = 0; i < in; ++i) {
          if (i % 32 == 0) scales.push_back(static_cast<uint8_t>(122 + (e + o + i / 32) % 3));
          state = state * 1664525u + 1013904223u;
          const unsigned code = state >> 28;
          if (i % 2 == 0) blocks.push_back(static_cast<uint8_t>(code));
          if (i % 2 == 1) blocks.back() = static_cast<uint8_t>(blocks.back() | code << 4);
          static constexpr float kMagnitudes[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
          const float value = std::ldexp(kMagnitudes[code % 8], scales.back() - 127);
          plain[(e * in + i) * out + o] = code < 8 ? value : -value;
        }
      }
    }
    if (four_bits_) {
      builder_.add(name + "_blocks", "U8", {kExperts, out, in / 32, 16}, raw<uint8_t>(blocks));
      builder_.add(name + "_scales", "U8", {kExperts, out, in / 32}, raw<uint8_t>(scales));
    } else {
      builder_.add(name, "F32", {kExperts, in, out}, raw<float>(plain));
    }
    add(name + "_bias", {kExperts, out});
  }

  std::string bytes() const { return builder_.bytes(); }

 private:
  bool four_bits_;
  SafetensorsBuilder builder_;
  uint32_t seed_ = 0;
};

void write_model(const TempDir& dir, bool four_bits) {
  Writer writer(four_bits);
  writer.add("model.embed_tokens.weight", {kVocab, kHidden});
  writer.add("lm_head.weight", {kVocab, kHidden});
  writer.add("model.norm.weight", {kHidden});
  for (const std::string prefix : {"model.layers.0.", "model.layers.1."}) {
    writer.add(prefix + "input_layernorm.weight", {kHidden});
    writer.add(prefix + "post_attention_layernorm.weight", {kHidden});
    for (const auto& [name, out] : {std::pair{"q_proj", 32}, {"k_proj", 16}, {"v_proj", 16}, {"o_proj", 32}}) {
      writer.add(prefix + "self_attn." + name + ".weight", {static_cast<uint64_t>(out), 32});
      writer.add(prefix + "self_attn." + name + ".bias", {static_cast<uint64_t>(out)});
    }
    writer.add(prefix + "self_attn.sinks", {4}, 3);
    writer.add(prefix + "mlp.router.weight", {kExperts, kHidden});
    writer.add(prefix + "mlp.router.bias", {kExperts});
    writer.add_experts(prefix + "mlp.experts.gate_up_proj", kHidden, 2 * kWidth);
    writer.add_experts(prefix + "mlp.experts.down_proj", kWidth, kHidden);
  }
  dir.add("config.json", kConfig);
  dir.add("model.safetensors", writer.bytes());
}

at::Tensor logits_of(const CausalLm& model, const at::Tensor& ids, KvCache* cache = nullptr) {
  const torch::NoGradGuard no_gradients;
  at::Tensor hidden = (*model.embedding())->forward(ids);
  for (size_t i = 0; i < model.blocks(); ++i) {
    hidden = (*model.block(i))->forward(hidden, {cache != nullptr ? &(*cache)[i] : nullptr, {}});
  }
  return (*model.head())->forward(hidden);
}

TEST(GptOssModelTest, FourBitsAreTheValuesTheyStandFor) {
  const TempDir plain, packed;
  write_model(plain, false);
  write_model(packed, true);
  const Result<CausalLm> a = CausalLm::open(plain.path(), {});
  const Result<CausalLm> b = CausalLm::open(packed.path(), {});
  ASSERT_TRUE(a) << a.error().to_string();
  ASSERT_TRUE(b) << b.error().to_string();
  const at::Tensor ids = (torch::arange(24) * 7 % 16).view({2, 12});
  const at::Tensor logits = logits_of(*a, ids);
  EXPECT_TRUE(torch::equal(logits, logits_of(*b, ids)));
  EXPECT_GT(logits.std().item<double>(), 0.1);
}

TEST(GptOssModelTest, CachedPiecesEqualTheWhole) {
  const TempDir dir;
  write_model(dir, true);
  const Result<CausalLm> model = CausalLm::open(dir.path(), {.residency = Residency::kAll});
  ASSERT_TRUE(model) << model.error().to_string();
  const at::Tensor ids = (torch::arange(40) * 11 % 16).view({2, 20});
  const at::Tensor whole = logits_of(*model, ids);
  KvCache cache(model->blocks());
  std::vector<at::Tensor> pieces;
  for (const auto& [begin, count] : {std::pair{0, 4}, {4, 1}, {5, 9}, {14, 6}}) {
    pieces.push_back(logits_of(*model, ids.narrow(1, begin, count), &cache));
  }
  EXPECT_LT(((torch::cat(pieces, 1) - whole).norm() / whole.norm()).item<double>(), 1e-6);
}

TEST(GptOssModelTest, HookNamesTensorAndExpert) {
  const TempDir dir;
  write_model(dir, true);
  const Result<CausalLm> model = CausalLm::open(dir.path(), {});
  ASSERT_TRUE(model) << model.error().to_string();
  std::set<std::pair<std::string, int64_t>> seen;
  const torch::NoGradGuard no_gradients;
  const at::Tensor ids = torch::arange(16).unsqueeze(0);
  (*model->block(0))
      ->forward((*model->embedding())->forward(ids),
                {nullptr, [&](const LinearSpec& linear, const at::Tensor& x, const at::Tensor&) {
                   if (!linear.slice) return;
                   EXPECT_TRUE(seen.emplace(linear.weight, linear.slice->index).second) << linear.weight << " twice";
                   EXPECT_EQ(x.dim(), 2);
                   EXPECT_LE(x.size(0), 16);
                 }});
  EXPECT_EQ(seen.count({"model.layers.0.mlp.experts.down_proj", 0}), 1u);
  EXPECT_EQ(seen.count({"model.layers.0.mlp.experts.gate_up_proj", 2}), 1u);
  EXPECT_LE(seen.size(), 2 * kExperts);
}

}  // namespace
}  // namespace nwc
