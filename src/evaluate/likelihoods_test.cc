#include "evaluate/likelihoods.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "evaluate/packed_items.h"
#include "libtorch/tensors.h"
#include "support/toy_checkpoint.h"

namespace nwc {
namespace {

using testing::kToyVocab;
using testing::TempDir;
using testing::toy_tensors;
using testing::write_toy_checkpoint;

CausalLm open_toy(const TempDir& dir, Residency residency = Residency::kNone) {
  write_toy_checkpoint(dir, toy_tensors(7));
  Result<CausalLm> model = CausalLm::open(dir.path(), {.residency = residency});
  if (!model) throw std::runtime_error(model.error().to_string());
  return *std::move(model);
}

// Each sequence alone, in binary64 from the logits on.
double alone(const CausalLm& model, const ScoredTokens& scored) {
  const torch::NoGradGuard no_gradients;
  const at::Tensor ids = torch::tensor(at::ArrayRef<int32_t>(scored.tokens), torch::kInt64).unsqueeze(0);
  at::Tensor hidden = (*model.embedding())->forward(ids);
  for (size_t i = 0; i < model.blocks(); ++i) hidden = (*model.block(i))->forward(hidden, {});
  const at::Tensor log_p = torch::log_softmax((*model.head())->forward(hidden)[0].to(torch::kFloat64), -1);
  double sum = 0;
  for (size_t t = scored.scored_from; t < scored.tokens.size(); ++t)
    sum += log_p[static_cast<int64_t>(t) - 1][scored.tokens[t]].item<double>();
  return sum;
}

std::vector<int32_t> tokens(size_t count, int seed) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < count; ++i)
    ids.push_back(static_cast<int32_t>((i * i * 5 + i * static_cast<size_t>(seed) + 3) % kToyVocab));
  return ids;
}

ScoredTokens joined(std::vector<int32_t> context, const std::vector<int32_t>& continuation) {
  const size_t from = context.size();
  context.insert(context.end(), continuation.begin(), continuation.end());
  return {std::move(context), from};
}

// Items of every shape: long and short, one token each, contexts that differ, a choice that another one begins with.
std::vector<ScoredChoices> items() {
  std::vector<ScoredChoices> all;
  for (size_t length = 1; length <= 40; length += 3) {
    ScoredChoices item;
    for (int c = 0; c < 4; ++c)
      item.push_back(joined(tokens(length, 2), tokens(1 + (length + 5 * static_cast<size_t>(c)) % 11, c)));
    all.push_back(std::move(item));
  }
  all.push_back({joined(tokens(9, 1), {1}), joined(tokens(9, 1), {2}), joined(tokens(9, 1), {3})});
  all.push_back({joined(tokens(9, 1), {1, 2}), joined(tokens(9, 1), {1, 2, 3}), joined(tokens(9, 1), {1})});
  all.push_back({joined(tokens(5, 1), {4, 4}), joined(tokens(8, 3), {4, 4})});
  all.push_back({joined(tokens(12, 5), {6, 7})});
  return all;
}

TEST(LogLikelihoodsTest, AreThoseOfEachSequenceAlone) {
  const TempDir dir;
  const CausalLm model = open_toy(dir);
  const std::vector<ScoredChoices> all = items();
  const auto sums = log_likelihoods(model, all, {});
  ASSERT_TRUE(sums) << sums.error().to_string();
  ASSERT_EQ(sums->size(), all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ((*sums)[i].size(), all[i].size());
    for (size_t c = 0; c < all[i].size(); ++c)
      EXPECT_NEAR((*sums)[i][c], alone(model, all[i][c]), 2e-5) << "item " << i << ", choice " << c;
  }
  ASSERT_LT((*sums)[0][0], -0.1);
}

TEST(LogLikelihoodsTest, DoNotDependOnResidency) {
  const TempDir dir, again;
  const auto streaming = log_likelihoods(open_toy(dir), items(), {});
  const auto resident = log_likelihoods(open_toy(again, Residency::kAll), items(), {});
  ASSERT_TRUE(streaming && resident);
  EXPECT_EQ(*streaming, *resident);
}

TEST(LogLikelihoodsTest, AreNotFiniteWhereTheModelIsNot) {
  const TempDir dir;
  testing::ToyTensors tensors = toy_tensors(7);
  tensors["lm_head.weight"].values[5] = std::numeric_limits<float>::quiet_NaN();
  write_toy_checkpoint(dir, tensors);
  const auto sums = log_likelihoods(*CausalLm::open(dir.path(), {}), items(), {});
  ASSERT_TRUE(sums) << sums.error().to_string();
  EXPECT_FALSE(std::isfinite((*sums)[0][0]));
}

TEST(LogLikelihoodsTest, RefusesItemsThatItCannotScore) {
  const TempDir dir;
  const CausalLm model = open_toy(dir);
  const auto refusal = [&](const ScoredChoices& item) {
    const std::vector<ScoredChoices> one{item};
    const auto result = log_likelihoods(model, one, {});
    return result ? "no error" : result.error().message();
  };
  EXPECT_EQ(refusal({}), "item 0 has no choices");
  EXPECT_EQ(refusal({{{1, 2}, 2}}), "item 0 scores from token 2 of 2");
  EXPECT_EQ(refusal({{{1, 2}, 0}}), "item 0 scores from token 0 of 2");
  EXPECT_EQ(refusal({{tokens(66, 1), 60}}), "item 0 has a choice of 66 tokens, where the model was made for 64");
  EXPECT_EQ(refusal({{tokens(65, 1), 60}}), "no error");
  EXPECT_EQ(refusal({{{1, 16}, 1}}), "token 1 is id 16, outside the vocabulary of 16");
  EXPECT_TRUE(log_likelihoods(model, {}, {})->empty());
}

TEST(LogLikelihoodsTest, CancelStops) {
  const TempDir dir;
  const std::atomic<bool> stop = true;
  const auto result = log_likelihoods(open_toy(dir), items(), {.report = {}, .stop = &stop});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kInterrupted);
}

TEST(PackItemsTest, SharesWhatChoicesBeginWith) {
  // 1 2 3 | 4 5 and 1 2 3 | 4 6 7: the model reads 1 2 3 4 once, and 6; the last tokens are only predicted.
  const std::vector<ScoredChoices> one{{joined({1, 2, 3}, {4, 5}), joined({1, 2, 3}, {4, 6, 7})}};
  const std::vector<PackedBatch> batches = pack_items(one, {});
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].batch.ids, (std::vector<int32_t>{1, 2, 3, 4, 6}));
  EXPECT_EQ(batches[0].batch.sequences, (std::vector<std::vector<int64_t>>{{0, 1, 2, 3, 4}}));
  ASSERT_EQ(batches[0].predictions.size(), 5u);
  const auto is = [](const Prediction& p, int64_t row, int32_t token, size_t choice) {
    return p.row == row && p.token == token && p.choice == choice;
  };
  EXPECT_TRUE(is(batches[0].predictions[0], 2, 4, 0));
  EXPECT_TRUE(is(batches[0].predictions[1], 2, 4, 1));
  EXPECT_TRUE(is(batches[0].predictions[2], 3, 5, 0));
  EXPECT_TRUE(is(batches[0].predictions[3], 3, 6, 1));
  EXPECT_TRUE(is(batches[0].predictions[4], 4, 7, 1));
}

TEST(PackItemsTest, SingleTokensShareEverything) {
  const std::vector<ScoredChoices> one{{joined({1, 2}, {4}), joined({1, 2}, {5}), joined({1, 2}, {6})}};
  const std::vector<PackedBatch> batches = pack_items(one, {});
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].batch.ids, (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(batches[0].batch.sequences, (std::vector<std::vector<int64_t>>{{0, 1}}));
  EXPECT_EQ(batches[0].predictions.size(), 3u);
}

TEST(PackItemsTest, KeepsToItsLimits) {
  const std::vector<ScoredChoices> all = items();
  const PackingLimits limits{.rows = 60, .places = 100, .long_from = 20};
  const std::vector<PackedBatch> batches = pack_items(all, limits);
  std::vector<size_t> predictions(all.size(), 0);
  for (const PackedBatch& packed : batches) {
    size_t longest = 0, shortest = 1000;
    for (const auto& sequence : packed.batch.sequences) {
      longest = std::max(longest, sequence.size());
      shortest = std::min(shortest, sequence.size());
    }
    std::vector<bool> seen(all.size(), false);
    for (const Prediction& p : packed.predictions) ++predictions[p.item], seen[p.item] = true;
    const auto of_items = std::count(seen.begin(), seen.end(), true);
    if (of_items == 1) continue;  // may be over a limit
    EXPECT_LE(packed.batch.tokens(), 60);
    EXPECT_LE(longest * packed.batch.sequences.size(), 100u);
  }
  EXPECT_GT(batches.size(), 4u);
  for (size_t i = 0; i < all.size(); ++i) {
    size_t scored = 0;
    for (const ScoredTokens& choice : all[i]) scored += choice.tokens.size() - choice.scored_from;
    EXPECT_EQ(predictions[i], scored) << i;
  }
}

}  // namespace
}  // namespace nwc
