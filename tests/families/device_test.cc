// Models on a GPU against the same models on the CPU: forward passes of every family, Hessians, divergence, recovery.
// All of it is skipped without a GPU, forward passes also without the fixture checkpoints (support/fixtures.h).
#include "libtorch/device.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <random>

#include "calibrate/calibrate.h"
#include "compress/compress.h"
#include "evaluate/divergence.h"
#include "evaluate/generate.h"
#include "evaluate/likelihoods.h"
#include "guide/hessian_store.h"
#include "recover/recover.h"
#include "support/fixtures.h"
#include "support/temp_dir.h"
#include "support/tiny_checkpoint.h"
#include "support/tiny_codec.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::Expected;
using testing::value_of;

const fs::path kModel = NWC_SOURCE_DIR "/tests/data/model/llama3";  // two blocks, 320 tokens

std::vector<int32_t> some_ids(size_t count) {
  std::mt19937 random(5);
  std::vector<int32_t> ids;
  for (size_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>(random() % 320));
  return ids;
}

// Sets `device`, or skips the test.
#define NWC_NEED_GPU(device)                                             \
  const Result<ModelDevice> opened_device = open_device("cuda");         \
  if (!opened_device) GTEST_SKIP() << opened_device.error().to_string(); \
  const ModelDevice device = *opened_device

class FamilyOnGpu : public ::testing::TestWithParam<const char*> {};

TEST_P(FamilyOnGpu, OutputsAreThoseOfTheCpu) {
  NWC_NEED_GPU(gpu);
  const fs::path directory = testing::fixtures() / GetParam();
  if (!fs::exists(directory)) GTEST_SKIP() << "no fixtures in " << testing::fixtures();
  const Expected expected(directory);
  const std::map<std::string, at::Tensor> wanted = testing::outputs_of(directory, expected);
  for (const auto& [name, actual] : testing::outputs_of(directory, expected, {}, gpu)) {
    EXPECT_TRUE(actual.is_cuda()) << name;
    const double error = testing::relative_error(actual.cpu(), wanted.at(name));
    std::printf("%s %s: relative L2 error %.2e\n", GetParam(), name.c_str(), error);
    EXPECT_LT(error, 1e-4) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyOnGpu, ::testing::ValuesIn(testing::kFixtureFamilies),
                         [](const auto& info) { return std::string(info.param); });

class OnGpu : public ::testing::Test {
 protected:
  CalibrateReport calibrated(const std::string& output, ModelDevice device, const fs::path& model = kModel) const {
    const CalibrationText text{"text", some_ids(16 * 256)};
    return value_of(calibrate(
        {.model = model, .output = work_ / output, .sequences = 16, .length = 128, .threads = 1, .device = device},
        std::span(&text, 1), {}));
  }
  Result<CompressReport> recovered(const std::string& output, ModelDevice device) const {
    const RecoverOptions options{.sequences = 16, .epochs = 3, .batch = 3, .learning_rate = 0.02, .device = device};
    NWC_ASSIGN_OR_RETURN(const auto recovery, make_recovery(kModel, work_ / "hessians", options, 2));
    const CompressOptions compress{.model = kModel,
                                   .output = work_ / output,
                                   .codecs = {work_ / "codec.safetensors"},
                                   .hessians = work_ / "hessians",
                                   .guide = {.levels = false},
                                   .threads = 2};
    return compress_checkpoint(compress, {}, recovery.get());
  }
  // Relative distance of all Hessians of one calibration from those of another.
  double hessian_error(const std::string& a, const std::string& b) const {
    double error = 0, size = 0, worst = 0;
    for (const char* name : {"hessians-00000.safetensors", "hessians-00001.safetensors"}) {
      const HessianFile one = value_of(read_hessian_file(work_ / a / name)),
                        other = value_of(read_hessian_file(work_ / b / name));
      for (size_t h = 0; h < one.hessians.size(); ++h) {
        error = size = 0;
        for (size_t i = 0; i < one.hessians[h].triangles.size(); ++i) {
          const double x = one.hessians[h].triangles[i], y = other.hessians.at(h).triangles.at(i);
          error += (x - y) * (x - y);
          size += y * y;
        }
        worst = std::max(worst, std::sqrt(error / size));
      }
    }
    return worst;
  }
  testing::TempDir work_;
};

TEST_F(OnGpu, HessiansAreThoseOfTheCpuAndTheSameEachTime) {
  NWC_NEED_GPU(gpu);
  EXPECT_EQ(calibrated("cpu", {}).hessians, calibrated("gpu", gpu).hessians);
  const double error = hessian_error("gpu", "cpu");
  std::printf("Hessians: relative error %.2e\n", error);
  EXPECT_LT(error, 1e-5);
  calibrated("again", gpu);
  EXPECT_EQ(testing::contents_of(work_ / "again"), testing::contents_of(work_ / "gpu"));
}

TEST_F(OnGpu, MixturesCalibrateToTheSameBytes) {
  NWC_NEED_GPU(gpu);
  const fs::path model = testing::fixtures() / "mixtral";
  if (!fs::exists(model)) GTEST_SKIP() << "no fixtures in " << testing::fixtures();
  calibrated("one", gpu, model);
  calibrated("two", gpu, model);
  EXPECT_EQ(testing::contents_of(work_ / "one"), testing::contents_of(work_ / "two"));
}

TEST_F(OnGpu, DivergenceAndGenerationAreThoseOfTheCpu) {
  NWC_NEED_GPU(gpu);
  ASSERT_TRUE(write_encoder_codec(work_ / "codec.safetensors", testing::linear_codec()));
  ASSERT_TRUE(
      compress_checkpoint(
          {.model = kModel, .output = work_ / "small", .codecs = {work_ / "codec.safetensors"}, .threads = 1}, {})
          .ok());
  const std::vector<int32_t> ids = some_ids(4 * 100);
  std::vector<DivergenceResult> results;
  std::vector<std::vector<int32_t>> texts;
  for (const ModelDevice device : {ModelDevice{}, gpu}) {
    const CausalLm original =
        value_of(CausalLm::open(kModel, {.residency = Residency::kAll, .threads = 1, .device = device}));
    const CausalLm small = value_of(CausalLm::open(work_ / "small", {.threads = 1, .device = device}));
    results.push_back(value_of(divergence(original, small, ids, {.context = 100}, {})));
    texts.push_back(value_of(generate(original, std::span(ids).first(8),
                                      {.max_new_tokens = 12, .stop_ids = std::vector<int32_t>{}}, {}))
                        .tokens);
  }
  EXPECT_GT(results[0].mean_kl, 1e-4) << "nothing to compare";
  EXPECT_NEAR(results[1].mean_kl / results[0].mean_kl, 1, 1e-4);
  EXPECT_NEAR(results[1].candidate_perplexity / results[0].candidate_perplexity, 1, 1e-5);
  EXPECT_EQ(texts[0].size(), 12u);
  EXPECT_EQ(texts[1], texts[0]);
}

TEST_F(OnGpu, LikelihoodsAreThoseOfTheCpuAndTheSameEachTime) {
  NWC_NEED_GPU(gpu);
  std::vector<ScoredChoices> items;
  for (size_t i = 0; i < 40; ++i) {
    ScoredChoices& item = items.emplace_back();
    for (size_t c = 0; c < 3; ++c) {
      std::vector<int32_t> tokens = some_ids(10 + 3 * i);
      for (size_t t = 0; t < 1 + (i + c) % 5; ++t) tokens.push_back(static_cast<int32_t>((i * 31 + c * 7 + t) % 320));
      item.push_back({std::move(tokens), 10 + 3 * i});
    }
  }
  std::vector<std::vector<std::vector<double>>> results;
  for (const ModelDevice device : {ModelDevice{}, gpu, gpu})
    results.push_back(value_of(log_likelihoods(value_of(CausalLm::open(kModel, {.device = device})), items, {})));
  EXPECT_EQ(results[1], results[2]);
  for (size_t i = 0; i < items.size(); ++i) {
    for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(results[1][i][c], results[0][i][c], 1e-4) << i;
  }
}

TEST_F(OnGpu, RecoveryGainsWhatItGainsOnTheCpuAndWritesTheSameBytesEachTime) {
  NWC_NEED_GPU(gpu);
  calibrated("hessians", gpu);
  ASSERT_TRUE(write_encoder_codec(work_ / "codec.safetensors", testing::linear_codec()));
  const CompressReport on_gpu = value_of(recovered("one", gpu)), on_cpu = value_of(recovered("cpu", {}));
  ASSERT_TRUE(recovered("two", gpu).ok());
  EXPECT_EQ(testing::contents_of(work_ / "two"), testing::contents_of(work_ / "one"));
  ASSERT_EQ(on_gpu.tensors.size(), on_cpu.tensors.size());
  double gained = 0, gained_on_cpu = 0;
  for (size_t t = 0; t < on_gpu.tensors.size(); ++t) {
    ASSERT_TRUE(on_gpu.tensors[t].encoding->recovery && on_cpu.tensors[t].encoding->recovery);
    gained += on_gpu.tensors[t].encoding->recovery->error_before - on_gpu.tensors[t].encoding->recovery->error_after;
    gained_on_cpu +=
        on_cpu.tensors[t].encoding->recovery->error_before - on_cpu.tensors[t].encoding->recovery->error_after;
  }
  std::printf("recovery takes %.4f off the errors, on the CPU %.4f\n", gained, gained_on_cpu);
  EXPECT_GT(gained_on_cpu, 0);
  EXPECT_NEAR(gained / gained_on_cpu, 1, 0.2) << "rounding apart, the same steps";
}

}  // namespace
}  // namespace nwc
