#include "polish/polish.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <random>

#include "calibrate/calibrate.h"
#include "compress/compress.h"
#include "format/stream_header.h"
#include "libtorch/tensors.h"
#include "model/causal_lm.h"
#include "model/config/stored_names.h"
#include "model/families/family.h"
#include "polish/divergence_gradient.h"
#include "support/tiny_checkpoint.h"
#include "support/tiny_codec.h"
#include "support/toy_checkpoint.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::contents_of;

constexpr const char* kConfig = R"({
  "model_type": "llama", "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
  "num_key_value_heads": 2, "vocab_size": 24, "max_position_embeddings": 64, "rms_norm_eps": 1e-06,
  "rope_theta": 10000.0, "torch_dtype": "float32"})";

testing::ToyTensors tensors(uint32_t seed) {
  testing::ToyTensors all;
  const auto add = [&](const std::string& name, std::vector<uint64_t> shape, float scale) {
    all[name] = testing::toy_tensor(std::move(shape), scale, seed += 7);
  };
  const auto norm = [&](const std::string& name) {
    add(name, {96}, 0.2f);
    for (float& value : all[name].values) value += 1;
  };
  add("model.embed_tokens.weight", {24, 96}, 1.0f);
  for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
    norm(layer + "input_layernorm.weight");
    norm(layer + "post_attention_layernorm.weight");
    add(layer + "self_attn.q_proj.weight", {96, 96}, 0.25f);
    add(layer + "self_attn.k_proj.weight", {48, 96}, 0.25f);
    add(layer + "self_attn.v_proj.weight", {48, 96}, 0.25f);
    add(layer + "self_attn.o_proj.weight", {96, 96}, 0.25f);
    add(layer + "mlp.gate_proj.weight", {256, 96}, 0.25f);
    add(layer + "mlp.up_proj.weight", {256, 96}, 0.25f);
    add(layer + "mlp.down_proj.weight", {96, 256}, 0.25f);
  }
  norm("model.norm.weight");
  add("lm_head.weight", {24, 96}, 0.5f);
  return all;
}

// A model, its compressions with and without line scales, and texts.
class Polish : public ::testing::Test {
 protected:
  Polish() {
    testing::write_toy_checkpoint(model_, tensors(3), kConfig);
    std::mt19937 random(5);
    const auto text = [&](int tokens) {
      std::vector<int32_t> ids;
      for (int i = 0; i < tokens; ++i) ids.push_back(static_cast<int32_t>(random() % 24));
      return ids;
    };
    texts_ = {text(2000), text(1000)};
    held_out_ = text(16 * kLength);
  }

  // By sensitivity, along a trellis, at so many bits.
  fs::path with_lines(double bits = 6) const {
    const CalibrationText text{"text", texts_[0]};
    const Result<CalibrateReport> calibrated = calibrate({.model = model_.path(),
                                                          .output = work_ / "hessians",
                                                          .sequences = 16,
                                                          .length = kLength,
                                                          .gradients = true,
                                                          .outputs = true,
                                                          .threads = 1},
                                                         std::span(&text, 1), {});
    if (!calibrated) throw std::runtime_error(calibrated.error().to_string());
    const Result<CompressReport> made = compress_checkpoint({.model = model_.path(),
                                                             .output = work_ / "lines",
                                                             .bits = bits,
                                                             .encode = {.run_groups = 1, .trellis_states = 8},
                                                             .hessians = work_ / "hessians",
                                                             .guide = {.steps = StepRule::kSensitivity},
                                                             .keep_embeddings = true,
                                                             .threads = 1},
                                                            {});
    if (!made) throw std::runtime_error(made.error().to_string());
    return work_ / "lines";
  }
  fs::path with_scales() const {
    if (!write_encoder_codec(work_ / "codec.safetensors", testing::linear_codec()))
      throw std::runtime_error("no codec");
    const Result<CompressReport> made = compress_checkpoint({.model = model_.path(),
                                                             .output = work_ / "scales",
                                                             .codecs = {work_ / "codec.safetensors"},
                                                             .encode = {.normalisation = {Normalisation::kBoth, 0.5}},
                                                             .threads = 1},
                                                            {});
    if (!made) throw std::runtime_error(made.error().to_string());
    return work_ / "scales";
  }

  PolishOptions options(const fs::path& compressed, const std::string& output) const {
    return {.compressed = compressed,
            .reference = model_.path(),
            .output = work_ / output,
            .steps = 24,
            .batch = 4,
            .length = kLength,
            .rate = 0.004,
            .growth = 0.5,
            .threads = 1};
  }
  Result<PolishReport> run(const PolishOptions& o, const Progress& progress = {}) const {
    return polish(o, texts_, held_out_, progress);
  }

  static constexpr int64_t kLength = 16;
  testing::TempDir model_, work_;
  std::vector<std::vector<int32_t>> texts_;
  std::vector<int32_t> held_out_;
};

uint64_t shard_bytes(const fs::path& directory) { return fs::file_size(directory / "model.safetensors"); }

TEST_F(Polish, CorrectsLineScales) {
  const fs::path small = with_lines();
  const Result<PolishReport> report = run(options(small, "out"));
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_TRUE(report->changed);
  EXPECT_EQ(report->correction_bits, kMaxCorrectionBits);
  EXPECT_LT(report->after.mean_kl, 0.99 * report->before.mean_kl);
  EXPECT_GT(report->output_bytes, report->input_bytes);
  EXPECT_NE(contents_of(work_ / "out").at("config.json").find("\"format_version\": 4"), std::string::npos);
  // Every tensor is what it was, up to factors within an octave.
  const Weights before = *Weights::open(small), after = *Weights::open(work_ / "out");
  ASSERT_EQ(before.list().size(), after.list().size());
  size_t other = 0;
  for (const WeightInfo& info : before.list()) {
    std::vector<float> a(info.elements()), b(info.elements());
    ASSERT_TRUE(before.read(info.name, DType::kF32, std::as_writable_bytes(std::span(a))));
    ASSERT_TRUE(after.read(info.name, DType::kF32, std::as_writable_bytes(std::span(b))));
    other += a != b ? 1 : 0;
    for (size_t i = 0; info.compressed && i < a.size(); ++i)
      ASSERT_TRUE(a[i] == 0 ? b[i] == 0 : std::abs(std::log2(b[i] / a[i])) < 1) << info.name;
  }
  EXPECT_EQ(other, 14u + 5u) << "not embedding and head, which are neither compressed nor norms";

  // What is polished can be polished again.
  const Result<PolishReport> again = run(options(work_ / "out", "again"));
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_DOUBLE_EQ(again->before.mean_kl, report->after.mean_kl);
  EXPECT_LE(again->after.mean_kl, again->before.mean_kl);
}

TEST_F(Polish, KeepsTheSize) {
  const fs::path small = with_lines();
  PolishOptions o = options(small, "out");
  o.growth = 0;
  const Result<PolishReport> report = run(o);
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_TRUE(report->changed) << "norms take no more bytes";
  EXPECT_EQ(report->correction_bits, 0u);
  EXPECT_EQ(report->output_bytes, report->input_bytes);
  EXPECT_LT(report->after.mean_kl, report->before.mean_kl);
}

TEST_F(Polish, TrainsScalesAndRowFactors) {
  const fs::path small = with_scales();
  PolishOptions o = options(small, "out");
  o.rate = 0.02;
  const Result<PolishReport> report = run(o);
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_TRUE(report->changed);
  EXPECT_LT(report->after.mean_kl, 0.9 * report->before.mean_kl);
  EXPECT_EQ(shard_bytes(work_ / "out"), shard_bytes(small));
  EXPECT_NE(contents_of(work_ / "out").at("config.json").find("\"format_version\": 1"), std::string::npos);
}

// The gradient at theta against differences of the divergence itself.
TEST_F(Polish, GradientIsThatOfTheDivergence) {
  const fs::path small = with_scales();
  const WeightStore store = *WeightStore::open(small);
  Weights weights = *Weights::open(small);
  ModelSpec spec = *with_stored_names(*describe_model(small), weights);
  const Factors factors = *Factors::of(store, spec);
  EXPECT_EQ(factors.count(), 5 * 96 + 2 * (4 * 96 + (48 + 96) + 96 + 2 * (256 + 96) + 96));
  const at::Tensor zero = torch::zeros({factors.count()});
  const auto source = std::make_shared<FactoredSource>(std::make_shared<const WeightsSource>(std::move(weights), 1),
                                                       factors, zero, /*keep=*/true);
  const CausalLm reference = *CausalLm::open(model_.path(), {}), model = *CausalLm::create(std::move(spec), source, {});
  const std::vector<std::vector<int32_t>> sequences{{texts_[0].begin(), texts_[0].begin() + kLength},
                                                    {texts_[1].begin(), texts_[1].begin() + kLength}};
  const auto at = [&](const at::Tensor& theta) {
    source->set_theta(theta);
    return *divergence_gradient(reference, model, *source, theta, sequences, {});
  };
  const at::Tensor gradient = at(zero).theta;
  std::mt19937 random(1);
  for (int trial = 0; trial < 6; ++trial) {
    // A direction of many numbers, so that the difference is more than rounding.
    std::vector<float> values(static_cast<size_t>(factors.count()));
    for (float& value : values) value = random() % 2 == 0 ? 1.0f : -1.0f;
    const at::Tensor direction = torch::tensor(at::ArrayRef<float>(values));
    const double step = 0.004;
    const double difference = (at(step * direction).divergence - at(-step * direction).divergence) / (2 * step);
    const double wanted = (gradient * direction).sum().item<double>();
    EXPECT_NEAR(difference, wanted, 0.02 * gradient.norm().item<double>()) << trial;
  }
}

TEST_F(Polish, WritesTheSameBytesAgainAndGoesOn) {
  const fs::path small = with_lines();
  const Result<PolishReport> whole = run(options(small, "whole"));
  ASSERT_TRUE(whole) << whole.error().to_string();
  ASSERT_TRUE(run(options(small, "again")));
  EXPECT_EQ(contents_of(work_ / "again"), contents_of(work_ / "whole"));
  std::atomic<bool> stop = false;
  int reports = 0;
  const Progress progress{.report = [&](uint64_t, uint64_t, const std::string&) { stop = ++reports == 8; },
                          .stop = &stop};
  const Result<PolishReport> first = run(options(small, "stopped"), progress);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code(), ErrorCode::kInterrupted);
  const Result<PolishReport> second = run(options(small, "stopped"));
  ASSERT_TRUE(second) << second.error().to_string();
  EXPECT_EQ(second->steps_from_earlier_run, 6);
  EXPECT_EQ(contents_of(work_ / "stopped"), contents_of(work_ / "whole"));
}

TEST_F(Polish, ChangesNothingWhereNothingIsBetter) {
  const fs::path small = with_lines();
  PolishOptions o = options(small, "out");
  o.reference = small;
  const Result<PolishReport> report = run(o);
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_FALSE(report->changed);
  EXPECT_EQ(report->before.mean_kl, 0);
  EXPECT_EQ(report->after.mean_kl, 0);
  EXPECT_EQ(contents_of(work_ / "out"), contents_of(small));
}

TEST_F(Polish, RefusesWhatIsNoInput) {
  const fs::path small = with_scales();
  const auto why = [&](const PolishOptions& o) {
    const Result<PolishReport> report = run(o);
    return report ? std::string("done") : report.error().to_string();
  };
  PolishOptions o = options(model_.path(), "out");
  o.reference = small;
  EXPECT_NE(why(o).find("is not a checkpoint compressed by nwcodec"), std::string::npos) << why(o);
  testing::TempDir other;
  testing::ToyTensors changed = tensors(3);
  changed["model.layers.1.mlp.up_proj.weight"].shape = {96, 256};
  testing::write_toy_checkpoint(other, changed, kConfig);
  o = options(small, "out");
  o.reference = other.path();
  EXPECT_NE(why(o).find("'model.layers.1.mlp.up_proj.weight': has another shape in the reference"), std::string::npos)
      << why(o);
  o = options(small, "out");
  o.length = 1001;
  EXPECT_NE(why(o).find("too short"), std::string::npos) << why(o);
  o.length = 65;
  EXPECT_NE(why(o).find("the model was made for 64 positions"), std::string::npos) << why(o);
  o = options(small, "scales");
  EXPECT_EQ(run(o).error().code(), ErrorCode::kInvalidArgument) << "input and output are the same";
  EXPECT_FALSE(fs::exists(work_ / "out"));

  // One damaged byte anywhere among the weights: an error that names file and tensor, and no output.
  const std::string bytes = contents_of(small).at("model.safetensors");
  for (const double share : {0.4, 0.6, 0.8, 0.99}) {
    std::string bad = bytes;
    bad[static_cast<size_t>(share * static_cast<double>(bad.size()))] ^= 4;
    std::ofstream(small / "model.safetensors", std::ios::binary) << bad;
    const Result<PolishReport> report = run(options(small, "out"));
    ASSERT_FALSE(report) << share;
    EXPECT_EQ(report.error().code(), ErrorCode::kCorrupt) << report.error().to_string();
    EXPECT_FALSE(report.error().tensor().empty()) << report.error().to_string();
    EXPECT_FALSE(fs::exists(work_ / "out"));
  }
}

}  // namespace
}  // namespace nwc
