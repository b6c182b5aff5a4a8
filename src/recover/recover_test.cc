#include "recover/recover.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <random>

#include "calibrate/calibrate.h"
#include "compress/compress.h"
#include "guide/calibration_sequences.h"
#include "libtorch/tensors.h"
#include "model/causal_lm.h"
#include "nwcodec/weights.h"
#include "recover/groups.h"
#include "recover/training.h"
#include "support/tiny_checkpoint.h"
#include "support/tiny_codec.h"
#include "support/toy_checkpoint.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::contents_of;

LinearSpec linear(const std::string& weight) { return {weight, "", 8, 8}; }

BlockSpec attention_only() {
  BlockSpec block;
  block.attention.q = linear("q");
  block.attention.k = linear("k");
  block.attention.v = linear("v");
  block.attention.o = linear("o");
  return block;
}

TEST(RecoveryGroups, EveryLayerOfADenseBlockAndFourStagesOfAMixture) {
  using Groups = std::vector<std::vector<std::string>>;
  BlockSpec block = attention_only();
  block.mlp = GatedMlpSpec{linear("gate"), linear("up"), linear("down")};
  EXPECT_EQ(recovery_groups(block), (Groups{{"q"}, {"k"}, {"v"}, {"o"}, {"gate"}, {"up"}, {"down"}}));

  MixtureSpec mixture{.router = linear("router")};
  for (const std::string e : {"0.", "1."})
    mixture.experts.push_back(GatedMlpSpec{linear(e + "gate"), linear(e + "up"), linear(e + "down")});
  block.mlp = mixture;
  EXPECT_EQ(recovery_groups(block),
            (Groups{{"q", "k", "v", "o"}, {"0.up", "1.up"}, {"0.gate", "1.gate"}, {"0.down", "1.down"}}));

  mixture.experts.clear();
  for (int64_t e = 0; e < 2; ++e) {
    FusedGateMlpSpec fused{linear("gate_up"), linear("down")};
    fused.gate_up.slice = fused.down.slice = FusedSlice{e, 2, true};
    mixture.experts.push_back(fused);
  }
  block.mlp = mixture;
  EXPECT_EQ(recovery_groups(block), (Groups{{"q", "k", "v", "o"}, {"gate_up"}, {"down"}}));
}

TEST(RecoveryGroups, LatentAttentionAndSharedExperts) {
  BlockSpec block = attention_only();
  block.attention_path.norm.emplace();
  block.attention_path.norm->weight = "norm";
  block.attention.latent = LatentSpec{.down = linear("kv_down"), .up = linear("kv_up"), .norm = {"kv_norm"}};
  block.attention.latent->q_down = linear("q_down");
  block.attention.latent->q_norm.emplace();
  block.attention.latent->q_norm->weight = "q_norm";
  MixtureSpec mixture{.router = linear("router")};
  mixture.experts.push_back(PlainMlpSpec{linear("0.up"), linear("0.down")});
  mixture.shared = PlainMlpSpec{linear("shared.up"), linear("shared.down")};
  block.mlp = mixture;
  EXPECT_EQ(recovery_groups(block),
            (std::vector<std::vector<std::string>>{
                {"q_down", "kv_down", "q", "kv_up", "o"}, {"0.up", "shared.up"}, {"0.down", "shared.down"}}));
  std::vector<std::string> norms;
  for (const NormSpec& norm : norms_of(block)) norms.push_back(norm.weight);
  EXPECT_EQ(norms, (std::vector<std::string>{"norm", "kv_norm", "q_norm"}));
}

// A toy model with its calibration, and a codec that is coarse enough for recovery to have something to do.
class Recover : public ::testing::Test {
 protected:
  Recover() {
    testing::write_toy_checkpoint(model_, testing::toy_tensors(3));
    std::mt19937 random(5);
    CalibrationText text{"text", {}};
    for (int i = 0; i < 2000; ++i) text.ids.push_back(static_cast<int32_t>(random() % testing::kToyVocab));
    const Result<CalibrateReport> report =
        calibrate({.model = model_.path(), .output = hessians(), .sequences = 48, .length = 16, .threads = 1},
                  std::span(&text, 1), {});
    if (!report) throw std::runtime_error(report.error().to_string());
    if (!write_encoder_codec(work_ / "codec.safetensors", testing::linear_codec()))
      throw std::runtime_error("no codec");
  }

  fs::path hessians() const { return work_ / "hessians"; }
  CompressOptions options(const std::string& output, int threads = 1) const {
    return {.model = model_.path(),
            .output = work_ / output,
            .codecs = {work_ / "codec.safetensors"},
            .selection = {.include = {"proj"}},
            .hessians = hessians(),
            .guide = {.levels = false},
            .threads = threads};
  }
  Result<CompressReport> recovered(const std::string& output, int threads = 1, const Progress& progress = {}) const {
    NWC_ASSIGN_OR_RETURN(const auto recovery, make_recovery(model_.path(), hessians(), recover_, threads));
    return compress_checkpoint(options(output, threads), progress, recovery.get());
  }

  // Mean squared error of a block's output on what the original model feeds it.
  double block_error(const fs::path& directory, size_t index) const {
    const torch::NoGradGuard no_gradients;
    const CausalLm original = *CausalLm::open(model_.path(), {}), other = *CausalLm::open(directory, {});
    at::Tensor hidden =
        (*original.embedding())
            ->forward(torch::tensor(at::ArrayRef<int32_t>(read_sequences(sequences_file(hessians()))->texts[0][0]),
                                    torch::kInt64)
                          .unsqueeze(0));
    for (size_t b = 0; b < index; ++b) hidden = (*original.block(b))->forward(hidden, {});
    return torch::mse_loss((*other.block(index))->forward(hidden, {}), (*original.block(index))->forward(hidden, {}))
        .item<double>();
  }

  testing::TempDir model_, work_;
  RecoverOptions recover_{.sequences = 48, .epochs = 4, .batch = 4, .learning_rate = 0.02};
};

TEST_F(Recover, LowersTheErrorOfEveryBlock) {
  ASSERT_TRUE(compress_checkpoint(options("plain"), {}).ok());
  const Result<CompressReport> report = recovered("recovered");
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  for (size_t b = 0; b < 2; ++b) {
    EXPECT_LT(block_error(work_ / "recovered", b), 0.8 * block_error(work_ / "plain", b)) << "block " << b;
  }
  ASSERT_EQ(report->tensors.size(), 14u);
  double gained = 0;
  for (const TensorRecord& t : report->tensors) {
    ASSERT_TRUE(t.encoding && t.encoding->recovery) << t.name;
    const TensorRecord::Encoding::Recovery& error = *t.encoding->recovery;
    EXPECT_LE(error.error_after, error.error_before) << t.name;
    gained += error.error_before - error.error_after;
  }
  EXPECT_GT(gained, 0);
}

TEST_F(Recover, WritesTrainedNormsAndLeavesTheRestAlone) {
  ASSERT_TRUE(recovered("out").ok());
  const Weights before = *Weights::open(model_.path()), after = *Weights::open(work_ / "out");
  const auto values = [](const Weights& weights, const std::string& name) {
    std::vector<float> all(weights.find(name)->elements());
    EXPECT_TRUE(weights.read(name, DType::kF32, std::as_writable_bytes(std::span(all))).ok());
    return all;
  };
  EXPECT_NE(values(before, "model.layers.0.input_layernorm.weight"),
            values(after, "model.layers.0.input_layernorm.weight"));
  EXPECT_NE(values(before, "model.layers.1.post_attention_layernorm.weight"),
            values(after, "model.layers.1.post_attention_layernorm.weight"));
  for (const char* name : {"model.norm.weight", "model.embed_tokens.weight", "lm_head.weight"})
    EXPECT_EQ(values(before, name), values(after, name)) << name;
  for (const WeightInfo& info : before.list()) {
    ASSERT_NE(after.find(info.name), nullptr) << info.name;
    EXPECT_EQ(after.find(info.name)->dtype, info.dtype) << info.name;
  }
}

TEST_F(Recover, ThreadsNeverChangeAByte) {
  ASSERT_TRUE(recovered("one").ok());
  ASSERT_TRUE(recovered("two", 2).ok());
  ASSERT_TRUE(recovered("three", 3).ok());
  EXPECT_EQ(contents_of(work_ / "two"), contents_of(work_ / "one"));
  EXPECT_EQ(contents_of(work_ / "three"), contents_of(work_ / "one"));
}

TEST_F(Recover, GoesOnToTheSameBytes) {
  ASSERT_TRUE(recovered("whole").ok());
  size_t kept = 0;
  for (int k = 5; k <= 80; k += 15) {
    std::atomic<bool> stop = false;
    int reports = 0;
    const std::string output = "k" + std::to_string(k);
    const Progress progress{.report = [&](uint64_t, uint64_t, const std::string&) { stop = ++reports >= k; },
                            .stop = &stop};
    const Result<CompressReport> first = recovered(output, 1, progress);
    if (!first) {
      EXPECT_EQ(first.error().code(), ErrorCode::kInterrupted);
      const Result<CompressReport> second = recovered(output);
      ASSERT_TRUE(second.ok()) << second.error().to_string();
      kept += second->blocks_from_earlier_run;
    }
    EXPECT_EQ(contents_of(work_ / output), contents_of(work_ / "whole")) << "stopped at report " << k;
  }
  EXPECT_GE(kept, 1u);
}

TEST_F(Recover, OtherOptionsAreAnotherRun) {
  std::atomic<bool> stop = false;
  const Progress progress{
      .report = [&](uint64_t, uint64_t, const std::string& what) { stop = what.find("layers.1") != std::string::npos; },
      .stop = &stop};
  ASSERT_FALSE(recovered("out", 1, progress).ok());
  recover_.seed = 2;
  EXPECT_EQ(recovered("out").error().code(), ErrorCode::kExists);
  EXPECT_EQ(compress_checkpoint(options("out"), {}).error().code(), ErrorCode::kExists) << "without recovery";
  recover_.seed = 1;
  EXPECT_EQ(recovered("out")->blocks_from_earlier_run, 1u);
}

TEST_F(Recover, Refusals) {
  recover_.sequences = 1;
  EXPECT_EQ(recovered("out").error().code(), ErrorCode::kInvalidArgument);
  recover_.sequences = 48;
  std::ofstream(model_ / "config.json") << R"({"model_type": "bert"})";
  EXPECT_EQ(recovered("out").error().code(), ErrorCode::kUnsupported);
  model_.add("config.json", testing::kToyConfig);
  ASSERT_TRUE(write_sequences(sequences_file(hessians()), {.texts = {{{1, 2, 99}, {1, 2, 3}}}}).ok());
  EXPECT_EQ(recovered("out").error().code(), ErrorCode::kMismatch) << "a token that the model does not have";
  fs::remove(sequences_file(hessians()));
  EXPECT_EQ(recovered("out").error().code(), ErrorCode::kNotFound);
  EXPECT_FALSE(fs::exists(work_ / "out"));
}

TEST(RecoverFamilies, OffForGptOss) {
  EXPECT_TRUE(recovery_does_harm("gpt_oss"));
  EXPECT_FALSE(recovery_does_harm("llama"));
}

// One block of the toy model, of which one weight was changed.
class TrainBlock : public ::testing::Test {
 protected:
  TrainBlock() {
    testing::write_toy_checkpoint(model_, testing::toy_tensors(3));
    const CausalLm model = *CausalLm::open(model_.path(), {});
    spec_ = model.spec().blocks[0];
    const WeightsSource source(*Weights::open(model_.path()), 1);
    parameters_.emplace(*BlockParameters::load(spec_, source));
    torch::manual_seed(1);
    const torch::NoGradGuard no_gradients;
    for (int s = 0; s < 16; ++s) {
      inputs_.push_back(torch::randn({1, 16, 8}));
      targets_.push_back((*model.block(0))->forward(inputs_.back(), {}));
    }
    at::Tensor& changed = parameters_->tensor("model.layers.0.self_attn.v_proj.weight");
    changed.add_(0.3 * torch::randn_like(changed));
    for (const char* name : {"model.layers.0.self_attn.o_proj.weight", "model.layers.0.mlp.down_proj.weight"})
      trainables_.push_back({name, 1.0});
  }
  TrainingOutcome trained(const RecoverOptions& options, int threads = 1) {
    Result<TrainingOutcome> outcome = train_block(spec_, *parameters_, trainables_, {inputs_, targets_, 4},
                                                  std::make_shared<RopeTables>(), options, threads, {});
    if (!outcome) throw std::runtime_error(outcome.error().to_string());
    return *outcome;
  }

  testing::TempDir model_;
  BlockSpec spec_;
  std::optional<BlockParameters> parameters_;
  std::vector<at::Tensor> inputs_, targets_;
  std::vector<Trainable> trainables_;
};

TEST_F(TrainBlock, TrainsWhatItIsAskedToAndNothingElse) {
  const at::Tensor o = parameters_->tensor("model.layers.0.self_attn.o_proj.weight").clone(),
                   q = parameters_->tensor("model.layers.0.self_attn.q_proj.weight").clone();
  const TrainingOutcome outcome = trained({.epochs = 10, .batch = 4, .learning_rate = 0.01});
  EXPECT_EQ(outcome.steps, 30);
  EXPECT_LT(outcome.error_after, 0.8 * outcome.error_before);
  EXPECT_FALSE(parameters_->tensor("model.layers.0.self_attn.o_proj.weight").equal(o));
  EXPECT_TRUE(parameters_->tensor("model.layers.0.self_attn.q_proj.weight").equal(q));
  EXPECT_FALSE(parameters_->tensor("model.layers.0.self_attn.o_proj.weight").requires_grad());
}

TEST_F(TrainBlock, KeepsTheBestStateAndStopsEarly) {
  const at::Tensor o = parameters_->tensor("model.layers.0.self_attn.o_proj.weight").clone();
  const TrainingOutcome outcome = trained({.epochs = 10, .batch = 4, .learning_rate = 50, .patience = 2});
  EXPECT_EQ(outcome.steps, 6) << "two epochs without progress";
  EXPECT_EQ(outcome.error_after, outcome.error_before);
  EXPECT_TRUE(parameters_->tensor("model.layers.0.self_attn.o_proj.weight").equal(o));
}

}  // namespace
}  // namespace nwc
