#include "calibrate/ends_fisher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <set>
#include <string>

#include "base/random_variates.h"
#include "calibrate/calibrate.h"
#include "calibrate/labels.h"
#include "guide/calibration_sequences.h"
#include "guide/hessian_store.h"
#include "guide/sensitivity.h"
#include "libtorch/tensors.h"
#include "model/causal_lm.h"
#include "support/temp_dir.h"
#include "support/toy_checkpoint.h"

namespace nwc {
namespace {

// Both ends of a model whose head is the embedding or a tensor of its own.
class EndsFisherTest : public ::testing::TestWithParam<bool> {
 protected:
  EndsFisherTest() {
    testing::ToyTensors tensors = testing::toy_tensors(1);
    if (tied_) tensors.erase("lm_head.weight");
    testing::write_toy_checkpoint(model_, tensors,
                                  testing::toy_config(tied_ ? "\"tie_word_embeddings\": true" : "\"mlp_bias\": false"));
    for (int i = 0; i < 400; ++i) text_.ids.push_back((i * 37 + i / 7) % static_cast<int>(testing::kToyVocab - 2));
    text_.name = "text";
  }
  CalibrateOptions options(const std::string& output) const {
    return {.model = model_.path(),
            .output = directory_.path() / output,
            .sequences = 4,
            .length = 16,
            .gradients = true,
            .threads = 1};
  }

  const bool tied_ = GetParam();
  testing::TempDir directory_, model_;
  CalibrationText text_;
};

// What an error of one of the tensors costs, (its product with the gradients, squared), on average over positions:
// token by token, from one graph of the whole model.
struct Costs {
  at::Tensor head, lookup;  // of errors e [vocabulary, hidden]
};
Costs costs_of(const CausalLm& model, const std::filesystem::path& hessians, const at::Tensor& error) {
  const torch::AutoGradMode recording(true);
  const CalibrationSequences sequences = *read_sequences(sequences_file(hessians));
  Costs costs{torch::zeros({}, torch::kFloat64), torch::zeros({}, torch::kFloat64)};
  double positions = 0;
  for (size_t s = 0; s < sequences.texts[0].size(); ++s) {
    const at::Tensor ids = torch::tensor(at::ArrayRef<int32_t>(sequences.texts[0][s]), torch::kInt64);
    at::Tensor hidden = (*model.embedding())->forward(ids.unsqueeze(0));
    hidden.requires_grad_(true);
    const at::Tensor first = hidden;
    for (size_t b = 0; b < model.blocks(); ++b) hidden = (*model.block(b))->forward(hidden, {});
    at::Tensor x, y;
    const at::Tensor logits =
        (*model.head())->forward(hidden, [&](const LinearSpec&, const at::Tensor& input, const at::Tensor& output) {
          x = input.detach();
          y = output;
          y.retain_grad();
        })[0];
    const at::Tensor labels = drawn_labels(seed_of_part(1, s))(logits.detach(), 0);
    torch::log_softmax(logits, -1).gather(1, labels.unsqueeze(1)).sum().backward();
    const at::Tensor g = y.grad()[0].to(torch::kFloat64), felt = first.grad()[0].to(torch::kFloat64);
    for (int64_t t = 0; t < ids.size(0); ++t) {
      // The second moment of g at the head's outputs is taken as diagonal: rows' errors are independent of each other.
      const at::Tensor of_rows = error.matmul(x[0][t].to(torch::kFloat64));
      costs.head = costs.head + (of_rows.square() * g[t].square()).sum();
      costs.lookup = costs.lookup + error[ids[t].item<int64_t>()].dot(felt[t]).square();
    }
    positions += static_cast<double>(ids.size(0));
  }
  return {costs.head / positions, costs.lookup / positions};
}

// The cost as its factors say: the sum over rows of e H e r / sum of r.
double factored_cost(const StoredFisher& fisher, const at::Tensor& error) {
  const auto n = static_cast<int64_t>(fisher.features);
  at::Tensor h = torch::zeros({n, n}, torch::kFloat64);
  for (int64_t i = 0, at = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j, ++at) h[i][j] = h[j][i] = fisher.inputs[static_cast<size_t>(at)];
  }
  double cost = 0, sum = 0;
  for (size_t v = 0; v < fisher.rows.size(); ++v) {
    const at::Tensor e = error[static_cast<int64_t>(v)];
    cost += e.dot(h.matmul(e)).item<double>() * fisher.rows[v];
    sum += fisher.rows[v];
  }
  return cost / sum;
}

TEST_P(EndsFisherTest, FactorsSayWhatErrorsCost) {
  const Result<CalibrateReport> report = calibrate(options("h"), {&text_, 1}, {});
  ASSERT_TRUE(report) << report.error().to_string();
  const CausalLm model = *CausalLm::open(model_.path(), {.threads = 1});
  const HessianStore store = *HessianStore::open(directory_ / "h");
  const Checkpoint checkpoint = *Checkpoint::open(model_.path());
  const ModelSpec& spec = model.spec();
  EXPECT_EQ(store.ends(),
            tied_ ? std::set<std::string>{spec.embedding} : (std::set<std::string>{spec.embedding, spec.head.weight}));
  const TensorView& embedding = *checkpoint.find(spec.embedding).tensor;
  const TensorView& head_tensor = *checkpoint.find(spec.head.weight).tensor;
  EXPECT_EQ(*store.positions_of(embedding), 64);
  const StoredFisher head = **store.find_fisher(head_tensor);
  const StoredFisher lookup = tied_ ? **store.find_lookup(embedding) : **store.find_fisher(embedding);
  // Errors that are the same in all rows, so that how rows share the cost does not matter: exact.
  torch::manual_seed(1);
  const at::Tensor alike = torch::randn({1, spec.hidden_size}, torch::kFloat64).expand({spec.vocab_size, -1});
  const Costs exact = costs_of(model, directory_ / "h", alike);
  EXPECT_NEAR(factored_cost(lookup, alike), exact.lookup.item<double>(), 1e-5 * exact.lookup.item<double>());
  EXPECT_NEAR(factored_cost(head, alike), exact.head.item<double>(), 1e-5 * exact.head.item<double>());
  // Errors of single rows: the mean of many is near.
  double by_factors = 0, by_graph = 0;
  for (int i = 0; i < 40; ++i) {
    const at::Tensor errors = torch::randn({spec.vocab_size, spec.hidden_size}, torch::kFloat64);
    by_factors += factored_cost(lookup, errors);
    by_graph += costs_of(model, directory_ / "h", errors).lookup.item<double>();
  }
  EXPECT_NEAR(by_factors / by_graph, 1, 0.15);
  for (size_t v = testing::kToyVocab - 2; v < testing::kToyVocab; ++v)
    EXPECT_EQ(lookup.rows[v], 0.0f) << "tokens that do not occur";
}

TEST_P(EndsFisherTest, InterruptedAndMergedRuns) {
  ASSERT_TRUE(calibrate(options("whole"), {&text_, 1}, {}));
  const std::string whole = testing::read_file(directory_ / "whole" / kHessianEndsName);
  // Stopped before the file of the ends.
  std::atomic<bool> stop = false;
  int steps = 0;
  Progress progress;
  progress.stop = &stop;
  progress.report = [&](uint64_t, uint64_t, const std::string&) { stop = ++steps == 19; };  // of 20
  EXPECT_EQ(calibrate(options("h"), {&text_, 1}, progress).error().code(), ErrorCode::kInterrupted);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "h" / kHessianEndsName));
  ASSERT_TRUE(calibrate(options("h"), {&text_, 1}, {}));
  EXPECT_EQ(testing::read_file(directory_ / "h" / kHessianEndsName), whole);

  const std::filesystem::path twice[] = {directory_ / "h", directory_ / "whole"};
  const Result<MergeReport> merged = merge_calibrations(twice, directory_ / "merged", false);
  ASSERT_TRUE(merged) << merged.error().to_string();
  EXPECT_EQ(merged->blocks, 2u);
  const HessianFile both = *read_hessian_file(directory_ / "merged" / kHessianEndsName),
                    one = *read_hessian_file(directory_ / "h" / kHessianEndsName);
  EXPECT_EQ(both.positions, 2 * one.positions);
  ASSERT_EQ(both.fishers.size(), 2u);
  for (size_t k = 0; k < 2; ++k) {
    EXPECT_EQ(both.fishers[k].inputs, one.fishers[k].inputs) << "of the same tokens";
    EXPECT_EQ(both.fishers[k].rows, one.fishers[k].rows);
    EXPECT_NEAR(both.fishers[k].effective.at(0) / (2 * one.fishers[k].effective.at(0)), 1, 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(Heads, EndsFisherTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "tied" : "untied"; });

TEST(BothUses, CostsAddUp) {
  const StoredFisher head{
      .matrices = 1, .features = 2, .output_features = 3, .inputs = {2, 0.5f, 4}, .rows = {1, 1, 2}},
      lookup{.matrices = 1, .features = 2, .output_features = 3, .inputs = {1, 0, 1}, .rows = {0, 3, 1}};
  const StoredFisher both = both_uses(head, lookup);
  EXPECT_EQ(both.inputs, (std::vector<float>{3, 0.5f, 5}));
  // Shares of rows, times what each use costs in all: 6 for the head, 2 for the look-up.
  EXPECT_EQ(both.rows, (std::vector<float>{1.5f, 1.5f + 1.5f, 3.0f + 0.5f}));
}

}  // namespace
}  // namespace nwc
