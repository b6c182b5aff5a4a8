// Outputs of every family against those of transformers, on the fixture checkpoints (support/fixtures.h). Those that
// are not in the source tree are skipped where they are missing.
#include "support/fixtures.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "model/layers/sequence_layout.h"

namespace nwc {
namespace {

using testing::Expected;

constexpr double kTolerance = 1e-5;

// What calibration relies on: a block announces the layers that linears_of() lists, in its order, and layers with the
// same input number see the same tensor. Experts without tokens are silent.
class AnnouncementCheck {
 public:
  explicit AnnouncementCheck(const BlockSpec& block) : listed_(linears_of(block)), inputs_(listed_.back().input + 1) {}
  ~AnnouncementCheck() {
    for (; next_ < listed_.size(); ++next_) EXPECT_TRUE(listed_[next_].expert) << listed_[next_].linear.weight;
  }
  void operator()(const LinearSpec& linear, const at::Tensor& input) {
    while (next_ < listed_.size() && listed_[next_].expert && !is_next(linear)) ++next_;
    ASSERT_LT(next_, listed_.size()) << linear.weight;
    EXPECT_TRUE(is_next(linear)) << linear.weight << " instead of " << listed_[next_].linear.weight;
    EXPECT_EQ(input.size(-1), linear.in_features);
    at::Tensor& shared = inputs_[listed_[next_++].input];
    EXPECT_TRUE(!shared.defined() || shared.data_ptr() == input.data_ptr()) << linear.weight;
    shared = input;
  }

 private:
  bool is_next(const LinearSpec& linear) const {
    return listed_[next_].linear.weight == linear.weight && listed_[next_].linear.slice == linear.slice;
  }
  std::vector<BlockLinear> listed_;
  std::vector<at::Tensor> inputs_;
  size_t next_ = 0;
};

std::function<void(const LinearSpec&, const at::Tensor&, const at::Tensor&)> announcements_checked(
    const BlockSpec& block) {
  return [check = std::make_shared<AnnouncementCheck>(block)](const LinearSpec& linear, const at::Tensor& input,
                                                              const at::Tensor&) { (*check)(linear, input); };
}

void expect_outputs_of_transformers(const std::filesystem::path& directory) {
  const Expected expected(directory);
  for (const auto& [name, actual] : testing::outputs_of(directory, expected, announcements_checked)) {
    ASSERT_EQ(actual.sizes(), expected[name].sizes()) << name;
    const double error = testing::relative_error(actual, expected[name]);
    std::printf("%s %s: relative L2 error %.2e\n", directory.filename().c_str(), name.c_str(), error);
    EXPECT_LT(error, kTolerance) << name;
  }
}

class Fixture : public ::testing::TestWithParam<const char*> {};

TEST_P(Fixture, OutputsAreThoseOfTransformers) {
  const std::filesystem::path directory = testing::fixtures() / GetParam();
  if (!std::filesystem::exists(directory)) GTEST_SKIP() << "no fixtures in " << testing::fixtures();
  expect_outputs_of_transformers(directory);
}

class CommittedFixture : public ::testing::TestWithParam<const char*> {};

TEST_P(CommittedFixture, OutputsAreThoseOfTransformers) {
  expect_outputs_of_transformers(testing::committed_fixture(GetParam()));
}

// Of 24 positions: where LongRoPE's angles change, keys that were kept are wrong on purpose.
TEST_P(CommittedFixture, CachedPiecesEqualTheWhole) {
  const torch::NoGradGuard no_gradients;
  const std::filesystem::path directory = testing::committed_fixture(GetParam());
  const CausalLm model = testing::value_of(CausalLm::open(directory, {.residency = Residency::kAll, .threads = 1}));
  const auto logits = [&](const at::Tensor& ids, KvCache* cache) {
    at::Tensor hidden = testing::value_of(model.embedding())->forward(ids);
    for (size_t i = 0; i < model.blocks(); ++i) {
      hidden = testing::value_of(model.block(i))->forward(hidden, {cache != nullptr ? &(*cache)[i] : nullptr, {}});
    }
    return testing::value_of(model.head())->forward(hidden);
  };
  const at::Tensor ids = Expected(directory)["input_ids"].narrow(1, 0, 24);
  KvCache cache(model.blocks());
  std::vector<at::Tensor> pieces;
  for (const auto& [begin, count] : {std::pair{0, 7}, {7, 1}, {8, 1}, {9, 15}}) {
    pieces.push_back(logits(ids.narrow(1, begin, count), &cache));
  }
  EXPECT_LT(testing::relative_error(torch::cat(pieces, 1), logits(ids, nullptr)), 2e-6);
}

// Two sequences that share their first tokens, and a third of its own, in one row.
void expect_packed_equals_alone(const CausalLm& model, const at::Tensor& ids) {
  const torch::NoGradGuard no_gradients;
  const auto blocks = [&](const at::Tensor& tokens, const SequenceLayout* layout) {
    at::Tensor hidden = testing::value_of(model.embedding())->forward(tokens);
    for (size_t i = 0; i < model.blocks(); ++i)
      hidden = testing::value_of(model.block(i))->forward(hidden, {.layout = layout});
    return hidden;
  };
  // Rows 0 to 6 are shared, 7 to 15 and 16 to 20 go on, 21 to 32 are the third.
  std::vector<std::vector<int64_t>> sequences(3);
  for (int64_t row = 0; row < 16; ++row) sequences[0].push_back(row);
  for (int64_t row = 0; row < 21; ++row) {
    if (row < 7 || row >= 16) sequences[1].push_back(row);
  }
  for (int64_t row = 21; row < 33; ++row) sequences[2].push_back(row);
  const at::Tensor packed_ids =
      torch::cat({ids.flatten().narrow(0, 0, 21), ids.flatten().narrow(0, 3, 12)}).unsqueeze(0);
  const SequenceLayout layout(sequences, 33, packed_ids);
  const at::Tensor packed = blocks(packed_ids, &layout);
  for (const std::vector<int64_t>& sequence : sequences) {
    const at::Tensor rows = torch::tensor(sequence, torch::kInt64);
    const at::Tensor alone = blocks(packed_ids.index_select(1, rows), nullptr);
    EXPECT_LT(testing::relative_error(packed.index_select(1, rows), alone), 2e-6);
  }
}

TEST_P(CommittedFixture, PackedSequencesEqualEachAlone) {
  const std::filesystem::path directory = testing::committed_fixture(GetParam());
  expect_packed_equals_alone(testing::value_of(CausalLm::open(directory, {.threads = 1})),
                             Expected(directory)["input_ids"]);
}

TEST_P(Fixture, PackedSequencesEqualEachAlone) {
  const std::filesystem::path directory = testing::fixtures() / GetParam();
  if (!std::filesystem::exists(directory)) GTEST_SKIP() << "no fixtures in " << testing::fixtures();
  const Result<CausalLm> model = CausalLm::open(directory, {.threads = 1});
  if (!model) GTEST_SKIP() << "an encoder";
  expect_packed_equals_alone(*model, Expected(directory)["input_ids"]);
}

INSTANTIATE_TEST_SUITE_P(Families, CommittedFixture, ::testing::ValuesIn(testing::kCommittedFamilies),
                         [](const auto& info) { return std::string(info.param); });
INSTANTIATE_TEST_SUITE_P(Families, Fixture, ::testing::ValuesIn(testing::kFixtureFamilies),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace nwc
