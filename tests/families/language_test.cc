// Language models against what transformers generates and what its layers see (tests/data/families).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "calibrate/gradient_pass.h"
#include "calibrate/labels.h"
#include "evaluate/generate.h"
#include "guide/hessian_store.h"
#include "support/fixtures.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::value_of;

std::vector<int32_t> ids_of(const at::Tensor& ids) {
  const at::Tensor flat = ids.flatten().contiguous();
  return std::vector<int32_t>(flat.data_ptr<int64_t>(), flat.data_ptr<int64_t>() + flat.numel());
}

class LanguageModel : public ::testing::TestWithParam<const char*> {
 protected:
  fs::path directory() const { return testing::committed_fixture(GetParam()); }
};

// LongRoPE's angles change within the continuation of phi3: both begin anew there.
TEST_P(LanguageModel, GeneratesWhatTransformersGenerates) {
  const testing::Expected expected(directory());
  const std::vector<int32_t> wanted = ids_of(expected["generated"]), ids = ids_of(expected["input_ids"]);
  const CausalLm model = value_of(CausalLm::open(directory(), {.resident = true, .threads = 1}));
  const GenerateResult result = value_of(
      generate(model, std::span(ids).first(20),
               {.max_new_tokens = static_cast<int64_t>(wanted.size()), .stop_ids = std::vector<int32_t>()}, {}));
  EXPECT_EQ(result.tokens, wanted);
}

INSTANTIATE_TEST_SUITE_P(Families, LanguageModel, ::testing::ValuesIn(testing::kCommittedFamilies),
                         [](const auto& info) { return std::string(info.param); });

using Moments = LanguageModel;

// The whole matrix from its lower triangle, row by row.
at::Tensor symmetric(const std::vector<float>& triangle, uint64_t features) {
  const auto n = static_cast<int64_t>(features);
  at::Tensor matrix = torch::zeros({n, n});
  const float* next = triangle.data();
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) matrix[i][j] = matrix[j][i] = *next++;
  }
  return matrix;
}

// As `nwcodec calibrate --gradients` on the fixture's ids, but with the fixture's labels.
void calibrate_on_labels(const fs::path& directory, const testing::Expected& expected, const fs::path& output) {
  const CausalLm model = value_of(CausalLm::open(directory, {.threads = 1}));
  const Checkpoint checkpoint = value_of(Checkpoint::open(directory));
  ResumableDirectory locked = value_of(lock_hessians(output, {}, false));
  ASSERT_TRUE(locked.begin(RunIdentity("test")));
  HessianFiles files = HessianFiles::open(std::move(locked), model.blocks(), Json::object());
  CalibrateReport report;
  const Progress progress;
  const std::unique_ptr<Team> alone = make_solo_team();
  PassContext context{checkpoint, files, report, progress, *alone};
  const at::Tensor ids = expected["input_ids"], labels = expected["labels"];
  const auto rule = [&](const at::Tensor& logits, int64_t begin) { return labels.narrow(0, begin, logits.size(0)); };
  const auto head = value_of(model.head());
  std::vector<Lane> lanes;
  lanes.push_back({BlockStack::of(model, 0),
                   {{value_of(model.embedding())->forward(ids), "input_ids"}},
                   [&](size_t, const at::Tensor& hidden) -> Result<at::Tensor> {
                     return gradient_of_labels(*head, model.spec().vocab_size, hidden, rule);
                   }});
  const Status passed = pass_with_gradients(std::move(lanes), {.scratch = output}, context);
  ASSERT_TRUE(passed) << passed.error().to_string();
  ASSERT_TRUE(files.finish());
}

TEST_P(Moments, AreThoseOfInputsAndGradientsInTransformers) {
  const testing::Expected expected(directory());
  const testing::TempDir temporary;
  const torch::NoGradGuard no_gradients;
  calibrate_on_labels(directory(), expected, temporary / "hessians");
  const HessianStore store = value_of(HessianStore::open(temporary / "hessians"));
  const Checkpoint checkpoint = value_of(Checkpoint::open(directory()));
  const SafetensorsFile file = value_of(SafetensorsFile::open(directory() / "expected.safetensors"));
  constexpr std::string_view kPrefix = "moment.";
  double worst = 0;
  size_t compared = 0;
  for (const TensorView& wanted : file.tensors()) {
    if (!wanted.name.starts_with(kPrefix)) continue;
    const std::string weight(wanted.name.substr(kPrefix.size()));
    const Checkpoint::Location found = checkpoint.find(weight);
    ASSERT_NE(found.tensor, nullptr) << weight;
    const StoredHessian stored = value_of(store.find(*found.tensor));
    ASSERT_EQ(stored.tokens, std::vector<int64_t>{expected["input_ids"].numel()}) << weight;
    EXPECT_LT(testing::relative_error(symmetric(stored.triangles, stored.features), expected[std::string(wanted.name)]),
              1e-5)
        << weight;
    const std::optional<StoredFisher> fisher = value_of(store.find_fisher(*found.tensor));
    ASSERT_TRUE(fisher) << weight;
    const double inputs =
        testing::relative_error(symmetric(fisher->inputs, fisher->features), expected["fisher." + weight]);
    const double rows = testing::relative_error(torch::tensor(fisher->rows), expected["rows." + weight]);
    EXPECT_LT(inputs, 1e-4) << weight;
    EXPECT_LT(rows, 1e-4) << weight;
    worst = std::max({worst, inputs, rows});
    ++compared;
  }
  std::printf("%s: %zu layers, largest relative error of Fisher factors %.1e\n", GetParam(), compared, worst);
  EXPECT_GT(compared, 2u);
}

INSTANTIATE_TEST_SUITE_P(Families, Moments, ::testing::ValuesIn(testing::kCommittedFamilies),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace nwc
