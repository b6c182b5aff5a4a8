#include "report/divergence/divergence_profile.h"

#include <gtest/gtest.h>

#include <cmath>

namespace nwc {
namespace {

// Two windows of five tokens: divergences 1 to 4, and 10, 0, 0, 0.
struct Example {
  Example() {
    const double kl[] = {1, 2, 3, 4, 10, 0, 0, 0};
    for (int i = 0; i < 8; ++i)
      scores.tokens.push_back({.kl = kl[i],
                               .reference_nll = static_cast<float>(i),
                               .candidate_nll = static_cast<float>(i) + 0.5F,
                               .reference_top = 7,
                               .candidate_top = i < 6 ? 7 : 8});
    texts.ids = {50, 1, 2, 1, 2, 50, 3, 1, 1, 1};
    texts.pieces.resize(10);
    using enum TokenClass;
    texts.classes = {kSpecial, kWordStart,   kNumber,    kWordStart, kNumber,
                     kSpecial, kPunctuation, kWordStart, kWordStart, kWordStart};
  }
  TokenScores scores{5, 2, {}};
  WindowTexts texts;
};

TEST(DivergenceProfile, FiguresAreThoseOfTheirTokens) {
  const Example e;
  const DivergenceProfile p = profile_of(e.scores, e.texts);
  EXPECT_EQ(p.all.tokens, 8);
  EXPECT_DOUBLE_EQ(p.all.mean_kl(), 20.0 / 8);
  EXPECT_DOUBLE_EQ(p.all.kl_median, 1.5);  // of 0 0 0 1 2 3 4 10
  EXPECT_DOUBLE_EQ(p.all.kl_99th_percentile, 4 + 0.93 * 6);
  EXPECT_DOUBLE_EQ(p.all.kl_maximum, 10);
  EXPECT_DOUBLE_EQ(p.all.top1_agreement(), 0.75);
  EXPECT_DOUBLE_EQ(p.reference_perplexity(), std::exp(3.5));
  EXPECT_DOUBLE_EQ(p.perplexity(), std::exp(4.0));
  EXPECT_DOUBLE_EQ(*p.mean_kl_standard_error, 0);  // both windows have 2.5

  ASSERT_EQ(p.classes.size(), 3u);
  EXPECT_EQ(p.classes[0].token_class, TokenClass::kWordStart);
  EXPECT_EQ(p.classes[0].figures.tokens, 5);
  EXPECT_DOUBLE_EQ(p.classes[0].figures.kl_sum, 4);
  EXPECT_EQ(p.classes[1].token_class, TokenClass::kNumber);
  EXPECT_DOUBLE_EQ(p.classes[1].figures.mean_kl(), 3);
  EXPECT_EQ(p.classes[2].token_class, TokenClass::kPunctuation);
  EXPECT_DOUBLE_EQ(p.classes[2].figures.mean_kl(), 10);
}

TEST(DivergenceProfile, PositionsAreGroupedInHalfOctaves) {
  const Example e;
  const DivergenceProfile p = profile_of(e.scores, e.texts);
  ASSERT_EQ(p.positions.size(), 3u);
  EXPECT_EQ(p.positions[0].first, 2);
  EXPECT_EQ(p.positions[0].last, 2);
  EXPECT_DOUBLE_EQ(p.positions[0].figures.mean_kl(), 5.5);
  EXPECT_DOUBLE_EQ(p.positions[1].figures.mean_kl(), 1);
  EXPECT_EQ(p.positions[2].first, 4);
  EXPECT_EQ(p.positions[2].last, 5);
  EXPECT_DOUBLE_EQ(p.positions[2].figures.mean_kl(), 7.0 / 4);

  TokenScores longer{30, 1, std::vector<TokenScore>(29)};
  const WindowTexts texts{std::vector<int32_t>(30), std::vector<std::string>(30), std::vector<TokenClass>(30)};
  std::vector<std::pair<int64_t, int64_t>> bounds;
  for (const auto& group : profile_of(longer, texts).positions) bounds.emplace_back(group.first, group.last);
  EXPECT_EQ(bounds, (std::vector<std::pair<int64_t, int64_t>>{
                        {2, 2}, {3, 3}, {4, 5}, {6, 7}, {8, 11}, {12, 15}, {16, 23}, {24, 30}}));
}

TEST(DivergenceProfile, TheWorstComeFirstAndOfEqualsTheEarlier) {
  const Example e;
  const DivergenceProfile p = profile_of(e.scores, e.texts, {.windows = 1, .tokens = 3, .types = 2});
  ASSERT_EQ(p.worst_windows.size(), 1u);
  EXPECT_EQ(p.worst_windows[0].index, 0);  // both have the same mean
  EXPECT_EQ(p.worst_tokens, (std::vector<size_t>{4, 3, 2}));
  ASSERT_EQ(p.costly_types.size(), 2u);
  EXPECT_EQ(p.costly_types[0].id, 3);
  EXPECT_EQ(p.costly_types[1].id, 2);
  EXPECT_DOUBLE_EQ(p.costly_types[1].figures.kl_sum, 6);
  const TokenPlace place = place_of(e.scores, 4);
  EXPECT_EQ(place.window, 1);
  EXPECT_EQ(place.position, 1);
  EXPECT_EQ(place.in_text, 6u);
}

TEST(DivergenceProfile, TheTailIsToldAsFarAsTokensReach) {
  TokenScores scores{101, 1, std::vector<TokenScore>(100)};
  for (size_t i = 0; i < 100; ++i) scores.tokens[i].kl = i == 40 ? 101 : 1;  // 1, and one of 101
  const WindowTexts texts{std::vector<int32_t>(101), std::vector<std::string>(101), std::vector<TokenClass>(101)};
  const DivergenceProfile p = profile_of(scores, texts);
  EXPECT_FALSE(p.mean_kl_standard_error);
  ASSERT_EQ(p.quantiles.size(), 11u);
  EXPECT_EQ(p.quantiles[9].share, 0.99);  // one token in a thousand is nobody
  EXPECT_NEAR(p.quantiles[9].kl, 1 + 0.01 * 100, 1e-9);
  EXPECT_EQ(p.quantiles[10].kl, 101);
  ASSERT_EQ(p.concentration.size(), 5u);
  EXPECT_EQ(p.concentration[0].share_of_tokens, 0.01);
  EXPECT_DOUBLE_EQ(p.concentration[0].share_of_divergence, 101.0 / 200);
  EXPECT_DOUBLE_EQ(p.concentration[4].share_of_divergence, 1);
}

TEST(DivergenceProfile, OfAModelWithItselfIsAllZero) {
  const TokenScores scores{4, 2, std::vector<TokenScore>(6)};
  const WindowTexts texts{std::vector<int32_t>(8), std::vector<std::string>(8), std::vector<TokenClass>(8)};
  const DivergenceProfile p = profile_of(scores, texts);
  EXPECT_EQ(p.all.mean_kl(), 0);
  EXPECT_EQ(p.concentration.back().share_of_divergence, 0);
}

}  // namespace
}  // namespace nwc
