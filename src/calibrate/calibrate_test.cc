#include "calibrate/calibrate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <set>
#include <string>

#include "calibrate/second_moment.h"
#include "guide/calibration_sequences.h"
#include "guide/drawn_sequences.h"
#include "guide/hessian_store.h"
#include "libtorch/tensors.h"
#include "model/causal_lm.h"
#include "support/temp_dir.h"
#include "support/toy_checkpoint.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

TEST(DrawSequences, WindowsWithoutOverlapBySeed) {
  const std::vector<int32_t> ids(1000);
  const std::vector<int64_t> a = *draw_sequences(ids, 64, 5, 1), b = *draw_sequences(ids, 64, 5, 2);
  EXPECT_EQ(a, *draw_sequences(ids, 64, 5, 1));
  EXPECT_NE(a, b);
  ASSERT_EQ(a.size(), 5u);
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i] % 64, 0);
    EXPECT_LE(a[i] + 64, 1000);
    EXPECT_TRUE(i == 0 || a[i] > a[i - 1]);
  }
  EXPECT_EQ(draw_sequences(ids, 64, 99, 1)->size(), 15u) << "all there are";
  EXPECT_EQ(draw_sequences(ids, 1001, 1, 1).error().code(), ErrorCode::kInvalidArgument);
}

TEST(SecondMoment, IsTheMeanOfOuterProducts) {
  SecondMoment moment(2);
  moment.add(torch::tensor({1.0f, 2.0f, 3.0f, 4.0f}).view({1, 2, 2}));
  moment.add(torch::empty({0, 2}));
  moment.add(torch::tensor({-1.0f, 0.0f}).view({1, 2}));
  EXPECT_EQ(moment.tokens(), 3);
  std::vector<float> triangle;
  moment.append_triangle(triangle);
  EXPECT_EQ(triangle, (std::vector<float>{11.0f / 3, 14.0f / 3, 20.0f / 3}));
}

class Calibrate : public ::testing::Test {
 protected:
  Calibrate() {
    testing::write_toy_checkpoint(model_, testing::toy_tensors(1));
    for (int i = 0; i < 400; ++i) text_.ids.push_back((i * 37 + i / 7) % static_cast<int>(testing::kToyVocab));
    text_.name = "text";
  }
  CalibrateOptions options(const std::string& output) const {
    return {.model = model_.path(), .output = directory_.path() / output, .sequences = 4, .length = 16, .threads = 1};
  }

  testing::TempDir directory_, model_;
  CalibrationText text_;
};

// Against the inputs of the layers, seen by a hook of this test and multiplied out in binary64.
TEST_F(Calibrate, HessiansAreTheMeanOfTheInputsOuterProducts) {
  const Result<CalibrateReport> report = calibrate(options("h"), {&text_, 1}, {});
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  EXPECT_EQ(report->tokens, 64);
  const CausalLm model = *CausalLm::open(model_.path(), {.threads = 1});
  EXPECT_EQ(report->blocks, model.blocks());
  EXPECT_EQ(report->hessians, 4 * model.blocks()) << "q, k, v share one; gate and up share one";
  const HessianStore store = *HessianStore::open(directory_.path() / "h");
  const Checkpoint checkpoint = *Checkpoint::open(model_.path());

  const torch::NoGradGuard no_gradients;
  std::map<std::string, at::Tensor> sums;
  const std::vector<int64_t> begins = *draw_sequences(text_.ids, 16, 4, 1);
  for (const int64_t begin : begins) {
    at::Tensor hidden =
        (*model.embedding())
            ->forward(torch::tensor(at::ArrayRef<int32_t>(text_.ids.data() + begin, 16), torch::kInt64).unsqueeze(0));
    for (size_t b = 0; b < model.blocks(); ++b) {
      Block::Options watch;
      watch.hook = [&](const LinearSpec& linear, const at::Tensor& x, const at::Tensor&) {
        const at::Tensor rows = x.reshape({-1, x.size(-1)}).to(torch::kFloat64), moment = rows.t().matmul(rows) / 64.0;
        sums[linear.weight] = sums.count(linear.weight) != 0 ? sums[linear.weight] + moment : moment;
      };
      hidden = (*model.block(b))->forward(hidden, watch);
    }
  }
  EXPECT_EQ(sums.size(), 7 * model.blocks());
  for (const auto& [name, sum] : sums) {
    const Result<StoredHessian> stored = store.find(*checkpoint.find(name).tensor);
    ASSERT_TRUE(stored.ok()) << stored.error().to_string();
    EXPECT_EQ(stored->tokens, (std::vector<int64_t>{64}));
    ASSERT_EQ(static_cast<int64_t>(stored->features), sum.size(0)) << name;
    double error = 0, size = 0;
    for (uint64_t i = 0; i < stored->features; ++i) {
      for (uint64_t j = 0; j <= i; ++j) {
        const double wanted = sum[static_cast<int64_t>(i)][static_cast<int64_t>(j)].item<double>(),
                     got = stored->triangles[i * (i + 1) / 2 + j];
        error += (got - wanted) * (got - wanted);
        size += wanted * wanted;
      }
    }
    EXPECT_LT(std::sqrt(error / size), 1e-5) << name;
  }
}

// What stops calibration, on the toy model with some tensors changed.
struct Stopped {
  Error error{ErrorCode::kInternal, "not stopped"};
  std::set<std::string> files;
};
Stopped stopped(const CalibrationText& text, const std::function<void(testing::ToyTensors&)>& change) {
  testing::ToyTensors tensors = testing::toy_tensors(1);
  change(tensors);
  const testing::TempDir model, directory;
  testing::write_toy_checkpoint(model, tensors);
  const Result<CalibrateReport> report =
      calibrate({.model = model.path(), .output = directory.path() / "h", .sequences = 4, .length = 16, .threads = 1},
                {&text, 1}, {});
  Stopped result;
  if (!report) result.error = report.error();
  EXPECT_EQ(result.error.file(), model.path().string());
  result.files = directory.files();
  return result;
}
std::string line_of(const Error& error) { return error.to_string().substr(error.file().size() + 2); }

TEST_F(Calibrate, StopsWhereActivationsOverflow) {
  const Stopped at = stopped(text_, [](testing::ToyTensors& tensors) {
    for (const char* name : {"model.layers.1.mlp.gate_proj.weight", "model.layers.1.mlp.up_proj.weight"}) {
      for (float& v : tensors[name].values) v *= 1e25f;
    }
  });
  EXPECT_EQ(at.error.code(), ErrorCode::kNonFinite);
  EXPECT_EQ(at.error.tensor(), "model.layers.1.mlp.down_proj.weight");
  EXPECT_EQ(at.error.message(), "the input of this layer is not finite in block 1, sequence 1 of text, token 0");
  EXPECT_NE(line_of(at.error).find("; look at 'model.layers.1.mlp.gate_proj.weight', whose largest weight, "),
            std::string::npos)
      << line_of(at.error);
  EXPECT_TRUE(at.files.contains("h/hessians-00000.safetensors")) << "complete blocks stay";
  EXPECT_FALSE(at.files.contains("h/hessians-00001.safetensors"));
}

TEST_F(Calibrate, NamesTensorsThatAreNotFinite) {
  const float nan = std::nanf("");
  EXPECT_EQ(line_of(stopped(text_,
                            [&](testing::ToyTensors& tensors) {
                              tensors["model.layers.0.input_layernorm.weight"].values[3] = nan;
                            })
                        .error),
            "tensor 'model.layers.0.self_attn.q_proj.weight': the input of this layer is not finite in block 0, "
            "sequence 1 of text, token 0; repair 'model.layers.0.input_layernorm.weight', of which weight 3 is NaN or "
            "infinite");
  EXPECT_EQ(line_of(stopped(text_,
                            [&](testing::ToyTensors& tensors) {
                              tensors["model.layers.1.mlp.down_proj.weight"].values[5] = -INFINITY;
                            })
                        .error),
            "tensor 'model.layers.1.mlp.down_proj.weight': what block 1 makes with it, its last layer, is not finite "
            "in sequence 1 of text, token 0; repair 'model.layers.1.mlp.down_proj.weight', of which weight 5 is NaN or "
            "infinite");
}

TEST_F(Calibrate, NamesTheSequenceOfAnEmbeddingThatIsNotFinite) {
  for (int32_t& id : text_.ids) id = 2;
  const std::vector<int64_t> begins = *draw_sequences(text_.ids, 16, 4, 1);
  text_.ids[static_cast<size_t>(begins[2]) + 11] = 7;
  const Stopped at = stopped(
      text_, [](testing::ToyTensors& tensors) { tensors["model.embed_tokens.weight"].values[7 * 8] = std::nanf(""); });
  EXPECT_EQ(line_of(at.error),
            "tensor 'model.embed_tokens.weight': what it gives to the first block is not finite in sequence 3 of text; "
            "repair 'model.embed_tokens.weight', of which weight 56 is NaN or infinite");
}

TEST_F(Calibrate, ActivationsTooLargeForAHessianAreNamed) {
  const Stopped at = stopped(text_, [](testing::ToyTensors& tensors) {
    for (float& v : tensors["model.layers.1.post_attention_layernorm.weight"].values) v *= 1e22f;
  });
  EXPECT_EQ(at.error.code(), ErrorCode::kNonFinite);
  EXPECT_EQ(at.error.tensor(), "model.layers.1.mlp.gate_proj.weight");
  EXPECT_TRUE(at.error.message().starts_with("the input of this layer reaches ")) << at.error.message();
  EXPECT_NE(at.error.message().find("too much for a Hessian, in block 1, sequence 1 of text"), std::string::npos);
}

TEST_F(Calibrate, HessiansHaveTheCheckpointsNames) {
  testing::ToyTensors renamed;
  for (const auto& [name, tensor] : testing::toy_tensors(1)) renamed["base_model." + name] = tensor;
  const testing::TempDir other;
  testing::write_toy_checkpoint(other, renamed);
  CalibrateOptions of_other = options("other");
  of_other.model = other.path();
  ASSERT_TRUE(calibrate(options("h"), {&text_, 1}, {}));
  const Result<CalibrateReport> report = calibrate(of_other, {&text_, 1}, {});
  ASSERT_TRUE(report) << report.error().to_string();
  const HessianStore plain = *HessianStore::open(directory_.path() / "h"),
                     store = *HessianStore::open(directory_.path() / "other");
  const Checkpoint checkpoint = *Checkpoint::open(model_.path()), stored = *Checkpoint::open(other.path());
  for (const char* name : {"model.layers.0.self_attn.v_proj.weight", "model.layers.1.mlp.down_proj.weight"}) {
    const Result<StoredHessian> found = store.find(*stored.find("base_model." + std::string(name)).tensor);
    ASSERT_TRUE(found) << found.error().to_string();
    EXPECT_EQ(found->triangles, plain.find(*checkpoint.find(name).tensor)->triangles);
  }
}

TEST_F(Calibrate, NeedsNoHead) {
  ASSERT_TRUE(calibrate(options("whole"), {&text_, 1}, {}).ok());
  testing::ToyTensors tensors = testing::toy_tensors(1);
  tensors.erase("lm_head.weight");
  tensors.erase("model.norm.weight");
  testing::write_toy_checkpoint(model_, tensors);
  const Result<CalibrateReport> report = calibrate(options("h"), {&text_, 1}, {});
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  const HessianStore store = *HessianStore::open(directory_.path() / "h"),
                     whole = *HessianStore::open(directory_.path() / "whole");
  const Checkpoint checkpoint = *Checkpoint::open(model_.path());
  const TensorView& down = *checkpoint.find("model.layers.1.mlp.down_proj.weight").tensor;
  EXPECT_EQ(store.find(down)->triangles, whole.find(down)->triangles);
}

TEST_F(Calibrate, AnInterruptedRunGoesOn) {
  std::atomic<bool> stop = false;
  Progress progress;
  progress.stop = &stop;
  progress.report = [&](uint64_t, uint64_t, const std::string& what) { stop = what == "block 1"; };
  const Result<CalibrateReport> interrupted = calibrate(options("h"), {&text_, 1}, progress);
  ASSERT_FALSE(interrupted.ok());
  EXPECT_EQ(interrupted.error().code(), ErrorCode::kInterrupted);
  const Result<CalibrateReport> resumed = calibrate(options("h"), {&text_, 1}, {});
  ASSERT_TRUE(resumed.ok()) << resumed.error().to_string();
  EXPECT_EQ(resumed->blocks_from_earlier_run, 1u);
  ASSERT_TRUE(calibrate(options("whole"), {&text_, 1}, {}).ok());
  for (size_t b = 0; b < resumed->blocks; ++b) {
    const std::string name = "hessians-0000" + std::to_string(b) + ".safetensors";
    EXPECT_EQ(read_hessian_file(directory_.path() / "h" / name)->hessians[0].triangles,
              read_hessian_file(directory_.path() / "whole" / name)->hessians[0].triangles);
  }
}

TEST_F(Calibrate, OtherFilesAreNotOverwritten) {
  ASSERT_TRUE(calibrate(options("h"), {&text_, 1}, {}).ok());
  CalibrateOptions other = options("h");
  other.seed = 2;
  EXPECT_EQ(calibrate(other, {&text_, 1}, {}).error().code(), ErrorCode::kExists);
  other.force = true;
  EXPECT_TRUE(calibrate(other, {&text_, 1}, {}).ok());
}

// The same texts on another model: every file must be made anew, or the run refused.
TEST_F(Calibrate, HessiansOfAnotherModelAreNotKept) {
  std::atomic<bool> stop = false;
  Progress progress;
  progress.stop = &stop;
  progress.report = [&](uint64_t, uint64_t, const std::string& what) { stop = what == "block 1"; };
  EXPECT_EQ(calibrate(options("h"), {&text_, 1}, progress).error().code(), ErrorCode::kInterrupted);
  EXPECT_EQ(HessianStore::open(directory_ / "h").error().message(), "holds a calibration that is not finished");
  testing::write_toy_checkpoint(model_, testing::toy_tensors(2));
  const Result<CalibrateReport> refused = calibrate(options("h"), {&text_, 1}, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kExists);
  EXPECT_TRUE(
      refused.error().message().starts_with("holds an unfinished run that was started with weights model.safetensors "))
      << refused.error().message();
  CalibrateOptions force = options("h");
  force.force = true;
  const Result<CalibrateReport> forced = calibrate(force, {&text_, 1}, {});
  ASSERT_TRUE(forced.ok()) << forced.error().to_string();
  EXPECT_EQ(forced->blocks_from_earlier_run, 0u);
  ASSERT_TRUE(calibrate(options("fresh"), {&text_, 1}, {}).ok());
  const std::string name = "hessians-00000.safetensors";
  EXPECT_EQ(testing::read_file(directory_ / "h" / name), testing::read_file(directory_ / "fresh" / name));
}

TEST_F(Calibrate, ADamagedFileOfAnInterruptedRunSaysWhy) {
  std::atomic<bool> stop = false;
  Progress progress;
  progress.stop = &stop;
  progress.report = [&](uint64_t, uint64_t, const std::string& what) { stop = what == "block 1"; };
  EXPECT_FALSE(calibrate(options("h"), {&text_, 1}, progress).ok());
  const fs::path path = directory_ / "h/hessians-00000.safetensors";
  std::string bytes = testing::read_file(path);
  bytes[bytes.size() - 100] ^= 4;
  std::ofstream(path, std::ios::binary) << bytes;
  const Result<CalibrateReport> resumed = calibrate(options("h"), {&text_, 1}, {});
  ASSERT_TRUE(resumed.ok()) << resumed.error().to_string();
  EXPECT_EQ(resumed->blocks_from_earlier_run, 0u);
  ASSERT_EQ(resumed->warnings.size(), 1u);
  EXPECT_NE(resumed->warnings[0].find("hessians-00000.safetensors"), std::string::npos) << resumed->warnings[0];
  EXPECT_NE(resumed->warnings[0].find("its checksum is"), std::string::npos) << resumed->warnings[0];
}

TEST_F(Calibrate, TextsThatAreTooShort) {
  CalibrateOptions o = options("h");
  o.sequences = 100;
  const Result<CalibrateReport> few = calibrate(o, {&text_, 1}, {});
  ASSERT_TRUE(few.ok());
  EXPECT_EQ(few->warnings.size(), 1u);
  text_.ids.resize(15);
  const Result<CalibrateReport> none = calibrate(options("other"), {&text_, 1}, {});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code(), ErrorCode::kInvalidArgument);
}

// Two halves weigh what their tokens weigh: together they are the whole.
TEST_F(Calibrate, MergedHalvesAreTheWhole) {
  CalibrationText first{"first", {text_.ids.begin(), text_.ids.begin() + 16}},
      second{"second", {text_.ids.begin() + 16, text_.ids.begin() + 64}};
  ASSERT_TRUE(calibrate(options("a"), {&first, 1}, {}).ok());
  ASSERT_TRUE(calibrate(options("b"), {&second, 1}, {}).ok());
  text_.ids.resize(64);
  ASSERT_TRUE(calibrate(options("whole"), {&text_, 1}, {}).ok());
  const fs::path parts[] = {directory_.path() / "a", directory_.path() / "b"};
  ASSERT_TRUE(merge_calibrations(parts, directory_.path() / "merged", false).ok());
  EXPECT_EQ(merge_calibrations(parts, directory_.path() / "merged", false).error().code(), ErrorCode::kExists);
  // A block that only one of them has is in the result, with a warning.
  fs::remove(directory_ / "a/hessians-00001.safetensors");
  const Result<MergeReport> partial = merge_calibrations(parts, directory_ / "partial", false);
  ASSERT_TRUE(partial.ok()) << partial.error().to_string();
  EXPECT_EQ(partial->blocks, 2u);
  EXPECT_EQ(partial->warnings,
            (std::vector<std::string>{"hessians-00001.safetensors is in 1 of the 2 calibrations only"}));
  EXPECT_EQ(read_hessian_file(directory_ / "partial/hessians-00001.safetensors")->hessians[0].triangles,
            read_hessian_file(directory_ / "b/hessians-00001.safetensors")->hessians[0].triangles);
  // The sequences too: one of the first text, three of the second.
  const CalibrationSequences sequences = *read_sequences(sequences_file(directory_.path() / "merged"));
  ASSERT_EQ(sequences.texts.size(), 2u);
  EXPECT_EQ(sequences.texts[0],
            (std::vector<CalibrationSequences::Sequence>{{text_.ids.begin(), text_.ids.begin() + 16}}));
  ASSERT_EQ(sequences.texts[1].size(), 3u);
  EXPECT_EQ(sequences.texts[1][2], CalibrationSequences::Sequence(text_.ids.begin() + 48, text_.ids.end()));
  const HessianFile merged = *read_hessian_file(directory_.path() / "merged/hessians-00001.safetensors");
  const HessianFile whole = *read_hessian_file(directory_.path() / "whole/hessians-00001.safetensors");
  ASSERT_EQ(merged.hessians.size(), whole.hessians.size());
  for (size_t h = 0; h < whole.hessians.size(); ++h) {
    EXPECT_EQ(merged.hessians[h].tokens, whole.hessians[h].tokens);
    for (size_t i = 0; i < whole.hessians[h].triangles.size(); ++i) {
      EXPECT_NEAR(merged.hessians[h].triangles[i], whole.hessians[h].triangles[i],
                  1e-4 * std::abs(whole.hessians[h].triangles[i]) + 1e-5);
    }
  }
}

}  // namespace
}  // namespace nwc
