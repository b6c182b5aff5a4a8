#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "evaluate/divergence.h"
#include "evaluate/generate.h"
#include "evaluate/perplexity.h"
#include "libtorch/tensors.h"
#include "support/toy_checkpoint.h"

namespace nwc {
namespace {

using testing::kToyVocab;
using testing::TempDir;
using testing::toy_tensors;
using testing::ToyTensors;
using testing::write_toy_checkpoint;

const std::filesystem::path kLlama3 = NWC_SOURCE_DIR "/tests/data/model/llama3";

// A model on disk that lives as long as the test.
struct Toy {
  explicit Toy(const ToyTensors& tensors, bool resident = true, const std::string& config = testing::kToyConfig) {
    write_toy_checkpoint(dir, tensors, config);
    Result<CausalLm> opened = CausalLm::open(dir.path(), {.residency = resident ? Residency::kAll : Residency::kNone});
    if (!opened) throw std::runtime_error(opened.error().to_string());
    model = std::make_unique<CausalLm>(*std::move(opened));
  }
  TempDir dir;
  std::unique_ptr<CausalLm> model;
};

ToyTensors with_head(ToyTensors tensors, float scale) {
  for (float& value : tensors["lm_head.weight"].values) value *= scale;
  return tensors;
}

std::vector<int32_t> some_ids(int64_t count, int64_t vocab) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>((i * i * 7 + i * 3) % vocab));
  return ids;
}

// log softmax of all positions, float64 [length, vocab], computed in one piece.
at::Tensor log_probabilities(const CausalLm& model, std::span<const int32_t> ids) {
  const torch::NoGradGuard no_gradients;
  at::Tensor hidden =
      (*model.embedding())
          ->forward(torch::tensor(at::ArrayRef<int32_t>(ids.data(), ids.size()), torch::kInt64).unsqueeze(0));
  for (size_t i = 0; i < model.blocks(); ++i) hidden = (*model.block(i))->forward(hidden, {});
  return torch::log_softmax((*model.head())->forward(hidden).squeeze(0).to(torch::kFloat64), -1);
}

TEST(PerplexityTest, UniformLogitsGiveTheVocabularySize) {
  const Toy toy(with_head(toy_tensors(1), 0));
  const Result<PerplexityResult> result = perplexity(*toy.model, some_ids(100, kToyVocab), {.context = 32}, {});
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_NEAR(result->perplexity, 16, 1e-5);
  EXPECT_NEAR(result->mean_nll, std::log(16.0), 1e-6);
  EXPECT_EQ(result->protocol, "gptq");
  EXPECT_EQ(result->context, 32);
  EXPECT_EQ(result->windows, 3);  // the last 4 tokens are dropped
  EXPECT_EQ(result->scored_tokens, 93);
  EXPECT_NEAR(*result->perplexity_standard_error, 0, 1e-5);
}

TEST(PerplexityTest, IsTheMeanOfTheWindowsMeans) {
  const Toy toy(toy_tensors(1));
  const std::vector<int32_t> ids = some_ids(50, kToyVocab);
  std::vector<double> nll;
  for (int window = 0; window < 3; ++window) {
    const std::span<const int32_t> some = std::span(ids).subspan(window * 16, 16);
    const at::Tensor log_p = log_probabilities(*toy.model, some);
    double sum = 0;
    for (int t = 0; t < 15; ++t) sum -= log_p[t][some[t + 1]].item<double>();
    nll.push_back(sum / 15);
  }
  const double mean = (nll[0] + nll[1] + nll[2]) / 3;
  double squares = 0;
  for (const double x : nll) squares += (x - mean) * (x - mean);

  const Result<PerplexityResult> result = perplexity(*toy.model, ids, {.context = 16}, {});
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_NEAR(result->mean_nll, mean, 1e-6);
  EXPECT_NEAR(result->perplexity, std::exp(mean), 1e-4);
  EXPECT_NEAR(*result->mean_nll_standard_error, std::sqrt(squares / 2 / 3), 1e-6);
  EXPECT_NEAR(*result->perplexity_standard_error, std::exp(mean) * std::sqrt(squares / 2 / 3), 1e-4);

  const Result<PerplexityResult> first = perplexity(*toy.model, ids, {.context = 16, .max_windows = 1}, {});
  ASSERT_TRUE(first) << first.error().to_string();
  EXPECT_EQ(first->windows, 1);
  EXPECT_NEAR(first->mean_nll, nll[0], 1e-6);
  EXPECT_FALSE(first->perplexity_standard_error.has_value());
}

TEST(PerplexityTest, StreamedBlocksGiveTheSameNumber) {
  const Toy resident(toy_tensors(1), true), streaming(toy_tensors(1), false);
  const std::vector<int32_t> ids = some_ids(64 * 40, kToyVocab);  // 40 windows: more than one batch of 2048 tokens
  const Result<PerplexityResult> a = perplexity(*resident.model, ids, {.context = 64}, {});
  const Result<PerplexityResult> b = perplexity(*streaming.model, ids, {.context = 64}, {});
  ASSERT_TRUE(a) << a.error().to_string();
  ASSERT_TRUE(b) << b.error().to_string();
  EXPECT_EQ(a->windows, 40);
  EXPECT_EQ(a->perplexity, b->perplexity);
}

TEST(PerplexityTest, ProgressRisesToTheTotalAndCancelStops) {
  const Toy toy(toy_tensors(1), false);
  const std::vector<int32_t> ids = some_ids(100, kToyVocab);
  std::vector<int64_t> done;
  int64_t last_total = 0;
  std::atomic<bool> cancel = false;
  Progress progress{[&](uint64_t d, uint64_t total, const std::string&) {
                      done.push_back(static_cast<int64_t>(d));
                      last_total = static_cast<int64_t>(total);
                    },
                    &cancel};
  ASSERT_TRUE(perplexity(*toy.model, ids, {.context = 32}, progress));
  EXPECT_EQ(last_total, 9);  // 3 windows through 2 blocks and the head
  EXPECT_EQ(done.back(), 9);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));

  progress.report = [&](uint64_t d, uint64_t, const std::string&) { cancel = d >= 3; };
  const Result<PerplexityResult> stopped = perplexity(*toy.model, ids, {.context = 32}, progress);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), ErrorCode::kInterrupted);
}

TEST(PerplexityTest, RefusesWhatCannotBeMeasured) {
  const Toy toy(toy_tensors(1));
  const std::vector<int32_t> ids = some_ids(100, kToyVocab);
  const auto refusal = [&](std::span<const int32_t> some, const WindowOptions& options) {
    const Result<PerplexityResult> result = perplexity(*toy.model, some, options, {});
    return result ? "no error" : result.error().message();
  };
  EXPECT_EQ(refusal(ids, {}),
            "a context of 2048 tokens is asked for; it must lie between 2 and the 64 that the model was made for");
  EXPECT_EQ(refusal(ids, {.context = 1}),
            "a context of 1 tokens is asked for; it must lie between 2 and the 64 that the model was made for");
  EXPECT_EQ(refusal(std::span(ids).first(31), {.context = 32}), "the text has 31 tokens, fewer than one window of 32");
  EXPECT_EQ(refusal(ids, {.context = 32, .max_windows = -1}), "-1 windows are asked for");
  std::vector<int32_t> bad = ids;
  bad[40] = 16;
  EXPECT_EQ(refusal(bad, {.context = 32}), "token 40 is id 16, outside the vocabulary of 16");
  bad[40] = -1;
  EXPECT_EQ(refusal(bad, {.context = 32}), "token 40 is id -1, outside the vocabulary of 16");
  EXPECT_EQ(refusal(bad, {.context = 32, .max_windows = 1}), "no error");
}

TEST(PerplexityTest, RefusesOutputThatIsNotFinite) {
  ToyTensors tensors = toy_tensors(1);
  tensors["lm_head.weight"].values[5] = std::numeric_limits<float>::infinity();
  const Toy toy(tensors);
  const Result<PerplexityResult> result = perplexity(*toy.model, some_ids(64, kToyVocab), {.context = 32}, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kNonFinite);
  EXPECT_EQ(result.error().message(), "the model's output for window 0 is not finite");
}

TEST(DivergenceTest, OfAModelWithItselfIsZero) {
  const Result<CausalLm> model = CausalLm::open(kLlama3, {});
  const Result<CausalLm> again = CausalLm::open(kLlama3, {.residency = Residency::kAll});
  ASSERT_TRUE(model && again);
  const Result<DivergenceResult> result = divergence(*model, *again, some_ids(300, 320), {.context = 100}, {});
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->windows, 3);
  EXPECT_EQ(result->positions, 297);
  EXPECT_EQ(result->mean_kl, 0);
  EXPECT_EQ(*result->mean_kl_standard_error, 0);
  EXPECT_EQ(result->max_kl, 0);
  EXPECT_EQ(result->kl_99th_percentile, 0);
  EXPECT_EQ(result->top1_agreement, 1);
  EXPECT_EQ(result->reference_perplexity, result->candidate_perplexity);
}

TEST(DivergenceTest, MatchesTheDefinition) {
  const Toy reference(toy_tensors(1)), candidate(toy_tensors(500));
  const std::vector<int32_t> ids = some_ids(40, kToyVocab);
  std::vector<double> position_kl, window_kl;
  int agreements = 0;
  for (int window = 0; window < 2; ++window) {
    const std::span<const int32_t> some = std::span(ids).subspan(window * 20, 20);
    const at::Tensor log_p = log_probabilities(*reference.model, some),
                     log_q = log_probabilities(*candidate.model, some);
    double sum = 0;
    for (int t = 0; t < 19; ++t) {
      double kl = 0;
      int best_p = 0, best_q = 0;
      for (int v = 0; v < 16; ++v) {
        const double p = log_p[t][v].item<double>(), q = log_q[t][v].item<double>();
        kl += std::exp(p) * (p - q);
        if (p > log_p[t][best_p].item<double>()) best_p = v;
        if (q > log_q[t][best_q].item<double>()) best_q = v;
      }
      agreements += best_p == best_q;
      position_kl.push_back(kl);
      sum += kl;
    }
    window_kl.push_back(sum / 19);
  }
  ASSERT_GT(window_kl[0], 0.1);
  std::sort(position_kl.begin(), position_kl.end());

  const Result<DivergenceResult> result = divergence(*reference.model, *candidate.model, ids, {.context = 20}, {});
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_NEAR(result->mean_kl, (window_kl[0] + window_kl[1]) / 2, 1e-5);
  EXPECT_NEAR(*result->mean_kl_standard_error, std::abs(window_kl[0] - window_kl[1]) / 2, 1e-5);
  EXPECT_NEAR(result->max_kl, position_kl[37], 1e-5);
  EXPECT_NEAR(result->kl_99th_percentile, position_kl[36] + 0.63 * (position_kl[37] - position_kl[36]),
              1e-5);  // 0.99 * 37
  EXPECT_DOUBLE_EQ(result->top1_agreement, agreements / 38.0);
  EXPECT_NEAR(result->reference_perplexity, perplexity(*reference.model, ids, {.context = 20}, {})->perplexity, 1e-4);
  EXPECT_NEAR(result->candidate_perplexity, perplexity(*candidate.model, ids, {.context = 20}, {})->perplexity, 1e-4);
}

TEST(DivergenceTest, FromTheReferenceNotTheCandidate) {
  // The candidate is uniform: KL(p || uniform) = ln 16 - entropy(p) stays below ln 16, the other direction does not.
  const Toy sharp(with_head(toy_tensors(1), 20)), uniform(with_head(toy_tensors(1), 0));
  const std::vector<int32_t> ids = some_ids(32, kToyVocab);
  EXPECT_LT(divergence(*sharp.model, *uniform.model, ids, {.context = 32}, {})->max_kl, std::log(16.0) + 1e-5);
  EXPECT_GT(divergence(*uniform.model, *sharp.model, ids, {.context = 32}, {})->max_kl, 2 * std::log(16.0));
}

TEST(DivergenceTest, RefusesDifferentVocabularies) {
  const Toy toy(toy_tensors(1));
  const Result<CausalLm> other = CausalLm::open(kLlama3, {});
  ASSERT_TRUE(other);
  const Result<DivergenceResult> result = divergence(*other, *toy.model, some_ids(64, 16), {.context = 32}, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kMismatch);
  EXPECT_EQ(result.error().message(), "the reference has a vocabulary of 320, the candidate one of 16");
}

TEST(DivergenceTest, CancelStops) {
  const Toy toy(toy_tensors(1));
  const std::atomic<bool> cancel = true;
  const auto result =
      divergence(*toy.model, *toy.model, some_ids(64, 16), {.context = 32}, {.report = {}, .stop = &cancel});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kInterrupted);
}

// What greedy generation must give, by a full forward pass per token.
std::vector<int32_t> uncached_greedy(const CausalLm& model, std::vector<int32_t> ids, int count) {
  const size_t prompt = ids.size();
  for (int i = 0; i < count; ++i) {
    const at::Tensor log_p = log_probabilities(model, ids);
    ids.push_back(static_cast<int32_t>(log_p[log_p.size(0) - 1].argmax().item<int64_t>()));
  }
  return {ids.begin() + static_cast<std::ptrdiff_t>(prompt), ids.end()};
}

TEST(GenerateTest, CachedEqualsUncached) {
  const Result<CausalLm> model = CausalLm::open(kLlama3, {.residency = Residency::kAll});
  ASSERT_TRUE(model) << model.error().to_string();
  const std::vector<int32_t> prompt{5, 17, 300, 42, 9};
  const std::vector<int32_t> expected = uncached_greedy(*model, prompt, 100);
  std::vector<int32_t> streamed;
  GenerateOptions options;
  options.max_new_tokens = 100;
  options.stop_ids = std::vector<int32_t>();
  options.on_token = [&](int32_t id) { streamed.push_back(id); };
  const Result<GenerateResult> result = generate(*model, prompt, options, {});
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->tokens, expected);
  EXPECT_EQ(streamed, expected);
  EXPECT_EQ(result->stop, GenerateResult::Stop::kMaxNewTokens);
}

TEST(GenerateTest, StopsBeforeAStopToken) {
  const Result<CausalLm> model = CausalLm::open(kLlama3, {.residency = Residency::kAll});
  ASSERT_TRUE(model) << model.error().to_string();
  const std::vector<int32_t> prompt{5, 17};
  const std::vector<int32_t> free_run = uncached_greedy(*model, prompt, 8);
  GenerateOptions options;
  options.stop_ids = std::vector<int32_t>{free_run[5]};
  const Result<GenerateResult> result = generate(*model, prompt, options, {});
  ASSERT_TRUE(result) << result.error().to_string();
  const auto first = std::find(free_run.begin(), free_run.end(), free_run[5]);
  EXPECT_EQ(result->tokens, std::vector<int32_t>(free_run.begin(), first));
  EXPECT_EQ(result->stop, GenerateResult::Stop::kEndOfSequence);
}

TEST(GenerateTest, TheModelsOwnEosIsTheDefault) {
  const Toy free_toy(toy_tensors(3));
  const int32_t first = uncached_greedy(*free_toy.model, {1}, 1)[0];
  const Toy toy(toy_tensors(3), true, testing::toy_config("\"eos_token_id\": " + std::to_string(first)));
  const std::vector<int32_t> prompt{1};
  const Result<GenerateResult> result = generate(*toy.model, prompt, {}, {});
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_TRUE(result->tokens.empty());
  EXPECT_EQ(result->stop, GenerateResult::Stop::kEndOfSequence);
}

TEST(GenerateTest, StopsWhenTheContextIsFull) {
  const Toy toy(toy_tensors(3), false);
  const std::vector<int32_t> prompt = some_ids(60, kToyVocab);
  GenerateOptions options;
  options.max_new_tokens = 100;
  const Result<GenerateResult> result = generate(*toy.model, prompt, options, {});
  ASSERT_TRUE(result) << result.error().to_string();
  // 64 positions: 60 of the prompt, 4 new tokens that were read back, and the one that these predict.
  EXPECT_EQ(result->tokens.size(), 5u);
  EXPECT_EQ(result->stop, GenerateResult::Stop::kContextFull);
}

TEST(GenerateTest, SamplingFollowsTheSeed) {
  const Toy toy(toy_tensors(3));
  const std::vector<int32_t> prompt{1, 2, 3};
  const auto run = [&](uint64_t seed, int64_t top_k) {
    GenerateOptions options;
    options.max_new_tokens = 20;
    options.sampling = {2.0, top_k, seed};
    return generate(*toy.model, prompt, options, {})->tokens;
  };
  EXPECT_EQ(run(1, 0), run(1, 0));
  EXPECT_NE(run(1, 0), run(2, 0));
  EXPECT_EQ(run(1, 1), uncached_greedy(*toy.model, prompt, 20));
}

TEST(GenerateTest, CancelStopsAndOptionsAreChecked) {
  const Toy toy(toy_tensors(3));
  const std::vector<int32_t> prompt{1, 2, 3};
  std::atomic<bool> cancel = false;
  int tokens = 0;
  GenerateOptions options;
  options.on_token = [&](int32_t) { cancel = ++tokens == 3; };
  const Result<GenerateResult> stopped = generate(*toy.model, prompt, options, {.report = {}, .stop = &cancel});
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), ErrorCode::kInterrupted);
  EXPECT_EQ(tokens, 3);

  const auto refusal = [&](const std::vector<int32_t>& ids, const GenerateOptions& o) {
    const Result<GenerateResult> result = generate(*toy.model, ids, o, {});
    return result ? "no error" : result.error().message();
  };
  EXPECT_EQ(refusal({}, {}), "the prompt has no tokens");
  EXPECT_EQ(refusal({99}, {}), "token 0 is id 99, outside the vocabulary of 16");
  EXPECT_EQ(refusal(some_ids(65, 16), {}), "the prompt has 65 tokens; the model was made for 64");
  GenerateOptions negative;
  negative.max_new_tokens = -1;
  EXPECT_EQ(refusal(prompt, negative), "-1 new tokens are asked for");
  GenerateOptions cold;
  cold.sampling.temperature = -1;
  EXPECT_EQ(refusal(prompt, cold), "the temperature is -1; it must be 0 or more");
}

}  // namespace
}  // namespace nwc
