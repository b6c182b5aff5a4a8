// Language models against what transformers generates and what its layers see (tests/data/families).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "base/random_variates.h"
#include "calibrate/gradient_pass.h"
#include "calibrate/labels.h"
#include "calibrate/own_text.h"
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
  const CausalLm model = value_of(CausalLm::open(directory(), {.residency = Residency::kAll, .threads = 1}));
  const GenerateResult result = value_of(
      generate(model, std::span(ids).first(20),
               {.max_new_tokens = static_cast<int64_t>(wanted.size()), .stop_ids = std::vector<int32_t>()}, {}));
  EXPECT_EQ(result.tokens, wanted);
}

// After the beginning and any token, every token is the quantile that its random number names of what a forward pass
// without a cache predicts; so many
// sequences at once give what single ones give. Across the change of phi3's angles.
TEST_P(LanguageModel, ItsOwnTextIsDrawnFromWhatItPredicts) {
  const torch::NoGradGuard no_gradients;
  const CausalLm model = value_of(CausalLm::open(directory(), {.residency = Residency::kAll, .threads = 1}));
  const int64_t change = length_of_other_angles(model.spec()).value_or(0);
  const int64_t length = std::max<int64_t>(16, change + 3);
  OwnTextOptions options{.beginning = {1, 5}, .sequences = 3, .length = length, .document = length, .seed = 9};
  const auto together = value_of(write_own_text(model, options, {}));
  ASSERT_EQ(together.size(), 3u);
  for (int64_t s = 0; s < 3; ++s) {
    const std::vector<int32_t>& tokens = together[static_cast<size_t>(s)];
    ASSERT_EQ(std::ssize(tokens), options.length);
    EXPECT_EQ(std::vector<int32_t>(tokens.begin(), tokens.begin() + 2), options.beginning);
    std::mt19937_64 random = own_text_numbers(options.seed, s);
    EXPECT_EQ(tokens[2], static_cast<int32_t>(random() % static_cast<uint64_t>(model.spec().vocab_size)));
    for (int64_t t = 3; t < options.length; ++t) {
      const at::ArrayRef<int32_t> before(tokens.data(), static_cast<size_t>(t));
      at::Tensor hidden = value_of(model.embedding())->forward(torch::tensor(before, torch::kInt64).unsqueeze(0));
      for (size_t b = 0; b < model.blocks(); ++b) hidden = value_of(model.block(b))->forward(hidden, {});
      const at::Tensor logits = value_of(model.head())->forward(hidden.select(1, t - 1))[0].to(torch::kFloat64);
      const at::Tensor sums = torch::softmax(logits / options.temperature, 0).cumsum(0);
      const double share = uniform_variate(random);
      const int64_t token = tokens[static_cast<size_t>(t)];
      // Within rounding of binary32.
      EXPECT_LT(share, sums[token].item<double>() + 1e-5) << "sequence " << s << ", token " << t;
      const double before_it = token > 0 ? sums[token - 1].item<double>() : 0;
      EXPECT_GT(share, before_it - 1e-5) << "sequence " << s << ", token " << t;
    }
  }
  for (const int64_t at_once : {1, 2}) {
    options.at_once = at_once;
    EXPECT_EQ(value_of(write_own_text(model, options, {})), together) << at_once << " at once";
  }
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
