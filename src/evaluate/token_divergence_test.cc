#include "evaluate/token_divergence.h"

#include <gtest/gtest.h>

#include <cmath>

#include "evaluate/divergence.h"
#include "libtorch/tensors.h"
#include "support/toy_checkpoint.h"

namespace nwc {
namespace {

using testing::kToyVocab;

struct Toy {
  explicit Toy(int seed)
      : model([&] {
          testing::write_toy_checkpoint(dir, testing::toy_tensors(seed), testing::kToyConfig);
          return *CausalLm::open(dir.path(), {});
        }()) {}
  testing::TempDir dir;
  CausalLm model;
};

std::vector<int32_t> some_ids(int64_t count) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>((i * i * 7 + i * 3) % kToyVocab));
  return ids;
}

TEST(TokenDivergence, ScoresEachTokenAsTheDefinitionSays) {
  const Toy reference(1), candidate(500);
  const std::vector<int32_t> ids = some_ids(40);
  const CausalLm* const candidates[] = {&candidate.model};
  const auto scores = score_tokens(reference.model, candidates, ids, {.context = 20}, {});
  ASSERT_TRUE(scores) << scores.error().to_string();
  const TokenScores& found = scores->front();
  EXPECT_EQ(found.windows, 2);
  ASSERT_EQ(found.tokens.size(), 38u);
  const torch::NoGradGuard no_gradients;
  const auto log_probabilities = [&](const CausalLm& model, size_t window) {
    const at::ArrayRef<int32_t> some(ids.data() + 20 * window, 20);
    at::Tensor hidden = (*model.embedding())->forward(torch::tensor(some, torch::kInt64).unsqueeze(0));
    for (size_t i = 0; i < model.blocks(); ++i) hidden = (*model.block(i))->forward(hidden, {});
    return torch::log_softmax((*model.head())->forward(hidden).squeeze(0).to(torch::kFloat64), -1);
  };
  for (size_t window = 0; window < 2; ++window) {
    const at::Tensor p = log_probabilities(reference.model, window), q = log_probabilities(candidate.model, window);
    for (int64_t t = 0; t < 19; ++t) {
      const TokenScore& score = found.tokens[window * 19 + static_cast<size_t>(t)];
      const int32_t token = ids[window * 20 + static_cast<size_t>(t) + 1];
      EXPECT_NEAR(score.kl, (p[t].exp() * (p[t] - q[t])).sum().item<double>(), 1e-6 * (1 + score.kl));
      EXPECT_NEAR(score.reference_nll, -p[t][token].item<double>(), 1e-5);
      EXPECT_NEAR(score.candidate_nll, -q[t][token].item<double>(), 1e-5);
      EXPECT_EQ(score.reference_top, p[t].argmax().item<int64_t>());
      EXPECT_EQ(score.candidate_top, q[t].argmax().item<int64_t>());
    }
  }
}

TEST(TokenDivergence, AReferenceThatIsKeptScoresAsOneThatRuns) {
  const Toy reference(1), second(500), third(900);
  const std::vector<int32_t> ids = some_ids(96);
  for (const Protocol protocol : {Protocol::kGptq, Protocol::kLlamaCpp}) {
    const WindowOptions options{.context = 32, .protocol = protocol, .first_token = 3};
    const uint64_t bytes = 96u * 4 * static_cast<uint64_t>(reference.model.spec().hidden_size);
    for (const auto& [candidate, most] :
         {std::pair(&second.model, bytes), std::pair(&third.model, bytes), std::pair(&third.model, bytes - 1)}) {
      const auto kept = ReferenceStates::compute(reference.model, ids, options, {}, most);
      ASSERT_TRUE(kept) << kept.error().to_string();
      int64_t total = 0;
      const auto found = kept->score(
          *candidate, {[&](uint64_t, uint64_t t, const std::string&) { total = static_cast<int64_t>(t); }, nullptr});
      EXPECT_EQ(total, most == bytes ? 3 * (2 + 1) : 3 * (2 * 2 + 1));  // without the reference's blocks, and with
      ASSERT_TRUE(found) << found.error().to_string();
      const CausalLm* const one[] = {candidate};
      const auto expected = score_tokens(reference.model, one, ids, options, {});
      ASSERT_TRUE(expected);
      EXPECT_EQ(found->protocol, expected->front().protocol);
      ASSERT_EQ(found->tokens.size(), expected->front().tokens.size());
      for (size_t i = 0; i < found->tokens.size(); ++i) {
        EXPECT_EQ(found->tokens[i].kl, expected->front().tokens[i].kl);
        EXPECT_EQ(found->tokens[i].reference_nll, expected->front().tokens[i].reference_nll);
        EXPECT_EQ(found->tokens[i].candidate_top, expected->front().tokens[i].candidate_top);
      }
    }
  }
}

TEST(TokenDivergence, SeveralCandidatesScoreAsEachAlone) {
  const Toy reference(1), second(500), third(900);
  const std::vector<int32_t> ids = some_ids(96);
  const CausalLm* const both[] = {&second.model, &third.model};
  int64_t total = 0;
  const Progress progress{[&](uint64_t, uint64_t t, const std::string&) { total = static_cast<int64_t>(t); }, nullptr};
  const auto together = score_tokens(reference.model, both, ids, {.context = 32}, progress);
  ASSERT_TRUE(together) << together.error().to_string();
  ASSERT_EQ(together->size(), 2u);
  EXPECT_EQ(total, 3 * (3 * 2 + 1));  // windows times the blocks of three models and the heads: the reference runs once
  for (size_t c = 0; c < 2; ++c) {
    const CausalLm* const one[] = {both[c]};
    const auto alone = score_tokens(reference.model, one, ids, {.context = 32}, {});
    ASSERT_TRUE(alone);
    ASSERT_EQ(alone->front().tokens.size(), (*together)[c].tokens.size());
    for (size_t i = 0; i < alone->front().tokens.size(); ++i) {
      EXPECT_EQ(alone->front().tokens[i].kl, (*together)[c].tokens[i].kl);
      EXPECT_EQ(alone->front().tokens[i].candidate_nll, (*together)[c].tokens[i].candidate_nll);
    }
  }
  EXPECT_NE((*together)[0].tokens[0].kl, (*together)[1].tokens[0].kl);
}

}  // namespace
}  // namespace nwc
