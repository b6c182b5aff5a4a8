#include "evaluate/windows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include "evaluate/divergence.h"
#include "evaluate/perplexity.h"
#include "libtorch/tensors.h"
#include "support/toy_checkpoint.h"

namespace nwc {
namespace {

ModelSpec spec() {
  ModelSpec model;
  model.vocab_size = 100;
  model.max_positions = 64;
  return model;
}

TEST(WindowsTest, OfGptqCountAllButTheFirstToken) {
  std::vector<int32_t> ids(35);
  std::iota(ids.begin(), ids.end(), 0);
  const Result<Windows> windows = cut_windows(ids, spec(), {.context = 10});
  ASSERT_TRUE(windows) << windows.error().to_string();
  EXPECT_EQ(windows->count, 3);
  EXPECT_EQ(windows->scored(), 9);
  EXPECT_EQ(windows->scored(1)[0], 11);
  EXPECT_EQ(windows->scored(1).back(), 19);
  EXPECT_EQ(windows->first_position(), 0);
  const std::vector<SequenceBatch> batches = windows->batches(0, 3, 2);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].rows, 2);
  EXPECT_EQ(batches[0].ids, std::vector<int32_t>(ids.begin(), ids.begin() + 20));
  EXPECT_EQ(batches[1].rows, 1);
  EXPECT_EQ(batches[1].ids, std::vector<int32_t>(ids.begin() + 20, ids.begin() + 30));
}

TEST(WindowsTest, OfLlamaCppCountTheSecondHalf) {
  std::vector<int32_t> ids(20);
  std::iota(ids.begin(), ids.end(), 0);
  const Result<Windows> windows =
      cut_windows(ids, spec(), {.context = 10, .protocol = Protocol::kLlamaCpp, .first_token = 99});
  ASSERT_TRUE(windows) << windows.error().to_string();
  EXPECT_EQ(windows->first_position(), 5);
  EXPECT_EQ(std::vector<int32_t>(windows->scored(0).begin(), windows->scored(0).end()),
            (std::vector<int32_t>{6, 7, 8, 9}));
  const std::vector<SequenceBatch> batches = windows->batches(0, 2, 2);
  EXPECT_EQ(batches[0].ids[0], 99);
  EXPECT_EQ(batches[0].ids[1], 1);
  EXPECT_EQ(batches[0].ids[10], 99);
  EXPECT_EQ(cut_windows(ids, spec(), {.context = 3, .protocol = Protocol::kLlamaCpp}).error().message(),
            "a context of 3 tokens is asked for; it must lie between 4 and the 64 that the model was made for");
  EXPECT_EQ(
      cut_windows(ids, spec(), {.context = 10, .protocol = Protocol::kLlamaCpp, .first_token = 100}).error().message(),
      "token 0 is id 100, outside the vocabulary of 100");
}

// The definition, one window at a time and in one piece.
TEST(WindowsTest, LlamaCppsPerplexityIsThatOfItsTokens) {
  const testing::TempDir dir;
  testing::write_toy_checkpoint(dir, testing::toy_tensors(3));
  const Result<CausalLm> model = CausalLm::open(dir.path(), {});
  ASSERT_TRUE(model) << model.error().to_string();
  std::vector<int32_t> ids;
  for (int i = 0; i < 40; ++i) ids.push_back((i * i + 3 * i) % 16);
  double sum = 0;
  for (int w = 0; w < 2; ++w) {
    const torch::NoGradGuard no_gradients;
    std::vector<int32_t> window(ids.begin() + 16 * w, ids.begin() + 16 * (w + 1));
    window[0] = 2;
    at::Tensor hidden = (*model->embedding())->forward(torch::tensor(window, torch::kInt64).unsqueeze(0));
    for (size_t b = 0; b < model->blocks(); ++b) hidden = (*model->block(b))->forward(hidden, {});
    const at::Tensor log_p = torch::log_softmax((*model->head())->forward(hidden)[0], -1);
    for (int t = 9; t < 16; ++t) sum -= log_p[t - 1][window[static_cast<size_t>(t)]].item<double>();
  }
  const WindowOptions options{.context = 16, .protocol = Protocol::kLlamaCpp, .first_token = 2};
  const Result<PerplexityResult> result = perplexity(*model, ids, options, {});
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->protocol, "llama.cpp");
  EXPECT_EQ(result->scored_tokens, 14);
  EXPECT_NEAR(result->perplexity, std::exp(sum / 14), 1e-4);
  const Result<DivergenceResult> same = divergence(*model, *model, ids, options, {});
  ASSERT_TRUE(same) << same.error().to_string();
  EXPECT_EQ(same->positions, 14);
  EXPECT_EQ(same->mean_kl, 0);
  EXPECT_NEAR(same->candidate_perplexity, result->perplexity, 1e-4);
}

}  // namespace
}  // namespace nwc
