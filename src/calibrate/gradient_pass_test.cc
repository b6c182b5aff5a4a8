#include "calibrate/gradient_pass.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <numeric>
#include <string>

#include "base/random_variates.h"
#include "calibrate/labels.h"
#include "guide/calibration_sequences.h"
#include "guide/hessian_store.h"
#include "model/causal_lm.h"
#include "support/temp_dir.h"
#include "support/toy_checkpoint.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

class GradientPass : public ::testing::Test {
 protected:
  GradientPass() {
    testing::write_toy_checkpoint(model_, testing::toy_tensors(1));
    for (int i = 0; i < 400; ++i) text_.ids.push_back((i * 37 + i / 7) % static_cast<int>(testing::kToyVocab));
    text_.name = "text";
  }
  CalibrateOptions options(const std::string& output) const {
    return {.model = model_.path(),
            .output = directory_.path() / output,
            .sequences = 4,
            .length = 16,
            .gradients = true,
            .outputs = true,
            .threads = 1};
  }
  std::string file_of(const std::string& output, size_t block) const {
    return testing::read_file(directory_ / output / hessian_file_name(block));
  }

  testing::TempDir directory_, model_;
  CalibrationText text_;
};

// Both sides of every layer, from one graph of the whole model, in binary64 products.
struct Wanted {
  at::Tensor inputs, outputs;
  double weight = 0, squares = 0;  // sums of |g|^2 and of its square
};
std::map<std::string, Wanted> whole_graph(const CausalLm& model, const fs::path& hessians) {
  const torch::AutoGradMode recording(true);
  std::map<std::string, Wanted> wanted;
  const CalibrationSequences sequences = *read_sequences(sequences_file(hessians));
  const auto count = static_cast<double>(sequences.texts[0].size() * sequences.texts[0][0].size());
  for (size_t s = 0; s < sequences.texts[0].size(); ++s) {
    const auto& ids = sequences.texts[0][s];
    std::map<std::string, std::pair<at::Tensor, at::Tensor>> seen;
    const auto watch = [&](const LinearSpec& linear, const at::Tensor& x, const at::Tensor& y) {
      y.retain_grad();
      seen[linear.weight] = {x.detach(), y};
    };
    at::Tensor hidden =
        (*model.embedding())->forward(torch::tensor(at::ArrayRef<int32_t>(ids), torch::kInt64).unsqueeze(0));
    hidden.requires_grad_(true);
    for (size_t b = 0; b < model.blocks(); ++b) hidden = (*model.block(b))->forward(hidden, {nullptr, watch});
    const at::Tensor logits = (*model.head())->forward(hidden)[0];
    const at::Tensor labels = drawn_labels(seed_of_part(1, s))(logits.detach(), 0);
    torch::log_softmax(logits, -1).gather(1, labels.unsqueeze(1)).sum().backward();
    for (const auto& [name, pair] : seen) {
      const at::Tensor x = pair.first[0].to(torch::kFloat64), g = pair.second.grad()[0].to(torch::kFloat64);
      const at::Tensor weighted = x * g.square().sum(1, true).sqrt();
      const at::Tensor inputs = weighted.t().matmul(weighted) / count, outputs = g.t().matmul(g) / count;
      Wanted& w = wanted[name];
      const at::Tensor weights = g.square().sum(1);
      w = {w.inputs.defined() ? w.inputs + inputs : inputs, w.outputs.defined() ? w.outputs + outputs : outputs,
           w.weight + weights.sum().item<double>(), w.squares + weights.square().sum().item<double>()};
    }
  }
  return wanted;
}

double error_of(const std::vector<float>& triangle, const at::Tensor& matrix) {
  double error = 0, size = 0;
  const float* next = triangle.data();
  for (int64_t i = 0; i < matrix.size(0); ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      const double wanted = matrix[i][j].item<double>(), difference = static_cast<double>(*next++) - wanted;
      error += difference * difference;
      size += wanted * wanted;
    }
  }
  return std::sqrt(error / size);
}

TEST_F(GradientPass, BothSidesAreThoseOfTheWholeModelsGraph) {
  const Result<CalibrateReport> report = calibrate(options("h"), {&text_, 1}, {});
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_TRUE(report->gradients);
  EXPECT_EQ(report->sequences_without_gradient, 0);
  EXPECT_TRUE(report->warnings.empty());
  const CausalLm model = *CausalLm::open(model_.path(), {.threads = 1});
  const HessianStore store = *HessianStore::open(directory_ / "h");
  const Checkpoint checkpoint = *Checkpoint::open(model_.path());
  const std::map<std::string, Wanted> wanted = whole_graph(model, directory_ / "h");
  EXPECT_EQ(wanted.size(), 14u);
  for (const auto& [name, both] : wanted) {
    const Result<std::optional<StoredFisher>> fisher = store.find_fisher(*checkpoint.find(name).tensor);
    ASSERT_TRUE(fisher && *fisher) << name;
    ASSERT_EQ(static_cast<int64_t>((*fisher)->features), both.inputs.size(0)) << name;
    ASSERT_EQ(static_cast<int64_t>((*fisher)->output_features), both.outputs.size(0)) << name;
    EXPECT_LT(error_of((*fisher)->inputs, both.inputs), 1e-5) << name;
    EXPECT_LT(error_of((*fisher)->outputs, both.outputs), 1e-5) << name;
    ASSERT_EQ((*fisher)->effective.size(), 1u) << name;
    EXPECT_NEAR((*fisher)->effective[0] / (both.weight * both.weight / both.squares), 1, 1e-5) << name;
    for (int64_t i = 0; i < both.outputs.size(0); ++i) {
      EXPECT_NEAR((*fisher)->rows[static_cast<size_t>(i)], both.outputs[i][i].item<double>(),
                  1e-5 * both.outputs[i][i].item<double>())
          << name;
    }
  }
  EXPECT_EQ(read_hessian_file(directory_ / "h" / hessian_file_name(1))->positions, 64);
}

// Tokens of two halves weigh what their gradients do.
TEST_F(GradientPass, EffectiveTokensOfMergedHalves) {
  ASSERT_TRUE(calibrate(options("h"), {&text_, 1}, {}));
  CalibrateOptions half = options("a");
  half.sequences = 2;
  const fs::path parts[] = {directory_ / "a", directory_ / "b"};
  ASSERT_TRUE(calibrate(half, {&text_, 1}, {}));
  half.output = parts[1];
  half.seed = 2;
  ASSERT_TRUE(calibrate(half, {&text_, 1}, {}));
  ASSERT_TRUE(merge_calibrations(parts, directory_ / "both", false));
  const auto fisher = [&](const std::string& name) {
    return read_hessian_file(directory_ / name / hessian_file_name(1))->fishers.at(0);
  };
  const StoredFisher a = fisher("a"), b = fisher("b"), both = fisher("both");
  const auto sum = [](const StoredFisher& f) { return std::accumulate(f.rows.begin(), f.rows.end(), 0.0); };
  const double squares = sum(a) * sum(a) / a.effective[0] + sum(b) * sum(b) / b.effective[0];
  ASSERT_EQ(both.effective.size(), 1u);
  EXPECT_NEAR(both.effective[0] * squares / ((sum(a) + sum(b)) * (sum(a) + sum(b))), 1, 1e-5);
  EXPECT_GT(both.effective[0], 1);
  EXPECT_LT(both.effective[0], 64);
}

// What calibration without gradients writes is in it too.
TEST_F(GradientPass, HessiansAreThoseOfTheWayThere) {
  CalibrateOptions plain = options("plain");
  plain.gradients = plain.outputs = false;
  ASSERT_TRUE(calibrate(plain, {&text_, 1}, {}));
  ASSERT_TRUE(calibrate(options("h"), {&text_, 1}, {}));
  for (size_t b = 0; b < 2; ++b) {
    const HessianFile with = *read_hessian_file(directory_ / "h" / hessian_file_name(b)),
                      without = *read_hessian_file(directory_ / "plain" / hessian_file_name(b));
    ASSERT_EQ(with.hessians.size(), without.hessians.size());
    EXPECT_TRUE(without.fishers.empty());
    EXPECT_EQ(with.fishers.size(), 7u) << "one for each layer";
    for (size_t h = 0; h < with.hessians.size(); ++h)
      EXPECT_EQ(with.hessians[h].triangles, without.hessians[h].triangles);
  }
}

TEST_F(GradientPass, AnInterruptedRunGoesOnWithTheSameBytes) {
  ASSERT_TRUE(calibrate(options("whole"), {&text_, 1}, {}));
  // Steps: two blocks there, the turn, two blocks back, four sequences each.
  for (const int last : {3, 9, 14, 17, 19}) {
    const std::string name = "h" + std::to_string(last);
    std::atomic<bool> stop = false;
    int steps = 0;
    Progress progress;
    progress.stop = &stop;
    progress.report = [&](uint64_t, uint64_t total, const std::string&) {
      EXPECT_EQ(total, 20u);
      stop = steps++ == last - 1;
    };
    EXPECT_EQ(calibrate(options(name), {&text_, 1}, progress).error().code(), ErrorCode::kInterrupted) << last;
    const Result<CalibrateReport> resumed = calibrate(options(name), {&text_, 1}, {});
    ASSERT_TRUE(resumed) << resumed.error().to_string();
    EXPECT_EQ(resumed->blocks_from_earlier_run, last > 16 ? 1u : 0u) << last;
    for (size_t b = 0; b < 2; ++b) EXPECT_EQ(file_of(name, b), file_of("whole", b)) << last;
    for (const auto& entry : fs::directory_iterator(directory_ / name))
      EXPECT_FALSE(entry.path().filename().string().starts_with(".")) << entry.path();
  }
}

TEST_F(GradientPass, AModelWithoutAHeadHasNone) {
  testing::ToyTensors tensors = testing::toy_tensors(1);
  tensors.erase("lm_head.weight");
  testing::write_toy_checkpoint(model_, tensors);
  const Result<CalibrateReport> report = calibrate(options("h"), {&text_, 1}, {});
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_FALSE(report->gradients);
  ASSERT_EQ(report->warnings.size(), 1u);
  EXPECT_EQ(report->warnings[0],
            "calibrated without gradients: lm_head.weight is missing: without a head no tokens are predicted");
  EXPECT_TRUE(read_hessian_file(directory_ / "h" / hessian_file_name(0))->fishers.empty());
}

TEST_F(GradientPass, MergesWeighByTokens) {
  CalibrationText first{"first", {text_.ids.begin(), text_.ids.begin() + 16}},
      second{"second", {text_.ids.begin() + 16, text_.ids.begin() + 64}};
  ASSERT_TRUE(calibrate(options("a"), {&first, 1}, {}));
  ASSERT_TRUE(calibrate(options("b"), {&second, 1}, {}));
  const fs::path parts[] = {directory_ / "a", directory_ / "b"};
  ASSERT_TRUE(merge_calibrations(parts, directory_ / "merged", false));
  const auto read = [&](const char* name) { return *read_hessian_file(directory_ / name / hessian_file_name(1)); };
  const HessianFile a = read("a"), b = read("b"), merged = read("merged");
  EXPECT_EQ(merged.positions, 64);
  ASSERT_EQ(merged.fishers.size(), 7u);
  const auto expect_mean = [](const std::vector<float>& m, const std::vector<float>& x, const std::vector<float>& y) {
    ASSERT_EQ(m.size(), x.size());
    for (size_t i = 0; i < m.size(); ++i) EXPECT_NEAR(m[i], 0.25 * x[i] + 0.75 * y[i], 1e-6 * std::abs(m[i]) + 1e-12);
  };
  for (size_t k = 0; k < merged.fishers.size(); ++k) {
    expect_mean(merged.fishers[k].inputs, a.fishers[k].inputs, b.fishers[k].inputs);
    expect_mean(merged.fishers[k].rows, a.fishers[k].rows, b.fishers[k].rows);
    expect_mean(merged.fishers[k].outputs, a.fishers[k].outputs, b.fishers[k].outputs);
  }
  CalibrateOptions plain = options("plain");
  plain.gradients = plain.outputs = false;
  ASSERT_TRUE(calibrate(plain, {&second, 1}, {}));
  const fs::path unlike[] = {directory_ / "a", directory_ / "plain"};
  EXPECT_EQ(merge_calibrations(unlike, directory_ / "unlike", false).error().code(), ErrorCode::kMismatch);
}

// The pass itself, on a gradient of the test's choice.
struct PassResult {
  Status status;
  CalibrateReport report;
  std::string bytes;  // of the first block's file
};
PassResult run_on(const fs::path& model_path, const fs::path& output, size_t batches,
                  const std::vector<size_t>& infinite, uint64_t memory = KeptInputs::kMemory, size_t together = 1,
                  double what = INFINITY) {
  const torch::NoGradGuard no_gradients;
  const CausalLm model = *CausalLm::open(model_path, {.threads = 1});
  const Checkpoint checkpoint = *Checkpoint::open(model_path);
  ResumableDirectory locked = *lock_hessians(output, {}, false);
  EXPECT_TRUE(locked.begin(RunIdentity("test")));
  HessianFiles files = HessianFiles::open(std::move(locked), model.blocks(), Json::object());
  PassResult run;
  const Progress progress;
  const std::unique_ptr<Team> alone = make_solo_team();
  PassContext context{checkpoint, files, run.report, progress, *alone};
  context.together = together;
  std::vector<Batch> all;
  for (size_t i = 0; i < batches; ++i) {
    all.push_back({torch::sin(torch::arange(40, torch::kFloat32) * (1.0 + static_cast<double>(i))).view({1, 5, 8}),
                   "batch " + std::to_string(i), i});
  }
  const LastGradient last = [&](size_t index, const at::Tensor& hidden) -> Result<at::Tensor> {
    at::Tensor gradient = torch::cos(hidden);
    if (std::find(infinite.begin(), infinite.end(), index) != infinite.end()) gradient[0][3][2] = what;
    return gradient;
  };
  std::vector<Lane> lanes;
  lanes.push_back({BlockStack::of(model, 0), std::move(all), last});
  run.status = pass_with_gradients(std::move(lanes), {.scratch = output, .memory = memory}, context);
  if (run.status) run.status = files.finish();
  if (run.status) run.bytes = testing::read_file(output / hessian_file_name(0));
  return run;
}

TEST_F(GradientPass, InputsKeptInAFileGiveTheSameBytes) {
  const PassResult memory = run_on(model_.path(), directory_ / "memory", 3, {}),
                   some = run_on(model_.path(), directory_ / "some", 3, {}, 400),
                   file = run_on(model_.path(), directory_ / "file", 3, {}, 0);
  ASSERT_TRUE(memory.status && some.status && file.status);
  EXPECT_EQ(memory.bytes, some.bytes);
  EXPECT_EQ(memory.bytes, file.bytes);
}

TEST_F(GradientPass, FewSequencesWithoutAGradientAreLeftOut) {
  const PassResult run = run_on(model_.path(), directory_ / "h", 100, {41});
  ASSERT_TRUE(run.status) << run.status.error().to_string();
  EXPECT_EQ(run.report.sequences_without_gradient, 1);
  EXPECT_EQ(run.report.warnings,
            (std::vector<std::string>{"the gradient of the output is not finite in batch 41, which is left out"}));
  const HessianFile file = *read_hessian_file(directory_ / "h" / hessian_file_name(0));
  EXPECT_EQ(file.hessians[0].tokens[0], 500) << "its inputs count";
  for (const float v : file.fishers[0].rows) EXPECT_TRUE(std::isfinite(v));
}

// Several go through a block in one call. Of a gradient whose squares are not finite at some layer only its own
// sequence is left out.
TEST_F(GradientPass, GroupsMeasureWhatTheirSequencesDo) {
  const auto file_of_run = [&](const std::string& name) {
    return *read_hessian_file(directory_ / name / hessian_file_name(0));
  };
  const auto expect_near = [](const std::vector<float>& a, const std::vector<float>& b) {
    ASSERT_EQ(a.size(), b.size());
    const float largest = *std::max_element(b.begin(), b.end());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5f * largest) << i;
  };
  const PassResult one = run_on(model_.path(), directory_ / "one", 100, {41}, KeptInputs::kMemory, 1, 1e25),
                   groups = run_on(model_.path(), directory_ / "groups", 100, {41}, KeptInputs::kMemory, 7, 1e25);
  ASSERT_TRUE(one.status) << one.status.error().to_string();
  ASSERT_TRUE(groups.status) << groups.status.error().to_string();
  EXPECT_EQ(groups.report.sequences_without_gradient, 1);
  ASSERT_EQ(groups.report.warnings, one.report.warnings);
  EXPECT_EQ(groups.report.warnings[0].rfind("the gradient at model.layers.", 0), 0u) << groups.report.warnings[0];
  const HessianFile a = file_of_run("groups"), b = file_of_run("one");
  ASSERT_EQ(a.hessians.size(), b.hessians.size());
  for (size_t h = 0; h < a.hessians.size(); ++h) {
    EXPECT_EQ(a.hessians[h].tokens, b.hessians[h].tokens);
    expect_near(a.hessians[h].triangles, b.hessians[h].triangles);
  }
  ASSERT_EQ(a.fishers.size(), b.fishers.size());
  for (size_t f = 0; f < a.fishers.size(); ++f) {
    expect_near(a.fishers[f].inputs, b.fishers[f].inputs);
    expect_near(a.fishers[f].rows, b.fishers[f].rows);
  }
}

TEST_F(GradientPass, CalibrationsInGroupsAreAlike) {
  CalibrateOptions groups = options("groups");
  groups.together = 3;
  ASSERT_TRUE(calibrate(options("one"), {&text_, 1}, {}));
  ASSERT_TRUE(calibrate(groups, {&text_, 1}, {}));
  groups.output = directory_ / "plain groups";
  groups.gradients = groups.outputs = false;
  ASSERT_TRUE(calibrate(groups, {&text_, 1}, {}));
  for (size_t b = 0; b < 2; ++b) {
    const HessianFile one = *read_hessian_file(directory_ / "one" / hessian_file_name(b));
    for (const char* name : {"groups", "plain groups"}) {
      const HessianFile other = *read_hessian_file(directory_ / name / hessian_file_name(b));
      ASSERT_EQ(other.hessians.size(), one.hessians.size());
      for (size_t h = 0; h < one.hessians.size(); ++h) {
        ASSERT_EQ(other.hessians[h].triangles.size(), one.hessians[h].triangles.size());
        for (size_t i = 0; i < one.hessians[h].triangles.size(); ++i)
          EXPECT_NEAR(other.hessians[h].triangles[i], one.hessians[h].triangles[i],
                      1e-5f * std::abs(one.hessians[h].triangles[i]) + 1e-6f);
      }
    }
  }
}

TEST_F(GradientPass, ManySequencesWithoutAGradientAreAnError) {
  const PassResult run = run_on(model_.path(), directory_ / "h", 100, {41, 70});
  ASSERT_FALSE(run.status);
  EXPECT_EQ(run.status.error().code(), ErrorCode::kNonFinite);
  EXPECT_EQ(run.status.error().message(),
            "the gradient of the output is not finite in batch 70; so it is in 2 of 100 sequences");
}

TEST(DrawnLabels, FollowTheModelsPredictions) {
  const at::Tensor logits = torch::tensor({0.0f, std::log(3.0f), -INFINITY, std::log(4.0f)}).expand({8000, 4});
  const at::Tensor labels = drawn_labels(seed_of_part(1, 0))(logits, 0);
  EXPECT_TRUE(labels.equal(drawn_labels(seed_of_part(1, 0))(logits, 0)));
  EXPECT_FALSE(labels.equal(drawn_labels(seed_of_part(1, 1))(logits, 0)));
  EXPECT_FALSE(labels.equal(drawn_labels(seed_of_part(2, 0))(logits, 0)));
  const at::Tensor counts = torch::bincount(labels, {}, 4);
  EXPECT_EQ(counts[2].item<int64_t>(), 0);
  for (const auto& [index, share] : {std::pair{0, 1 / 8.0}, {1, 3 / 8.0}, {3, 4 / 8.0}})
    EXPECT_NEAR(counts[index].item<double>() / 8000, share, 0.02);
}

}  // namespace
}  // namespace nwc
