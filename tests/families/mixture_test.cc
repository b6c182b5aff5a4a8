// Mixtures of experts, calibrated on tokens that do not reach every expert, and compressed with those Hessians.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "calibrate/calibrate.h"
#include "compress/compress.h"
#include "guide/hessian_store.h"
#include "nwcodec/weights.h"
#include "support/fixtures.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

// Copies of one token look alike at every position, so that all go to the same experts.
CalibrationText one_token_text() { return {"copies", std::vector<int32_t>(4 * 32, 7)}; }

// Matrices (experts) without a token, over all tensors.
size_t unseen_in(const fs::path& hessians, const fs::path& model) {
  const HessianStore store = testing::value_of(HessianStore::open(hessians));
  const Checkpoint checkpoint = testing::value_of(Checkpoint::open(model));
  size_t unseen = 0;
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    for (const TensorView& tensor : shard.tensors()) {
      if (tensor.name.find("experts") == std::string::npos || tensor.name.ends_with("bias")) continue;
      const StoredHessian stored = testing::value_of(store.find(tensor));
      unseen += static_cast<size_t>(std::count(stored.tokens.begin(), stored.tokens.end(), 0));
    }
  }
  return unseen;
}

// Compresses; warns about the experts; every weight that comes back is finite.
CompressReport expect_sound(const CompressOptions& options, size_t unseen) {
  CompressReport report = testing::value_of(compress_checkpoint(options, {}));
  const auto warning = std::find_if(report.warnings.begin(), report.warnings.end(), [](const std::string& w) {
    return w.find("no token reached") != std::string::npos;
  });
  EXPECT_TRUE(warning != report.warnings.end() &&
              warning->starts_with("no token reached " + std::to_string(unseen) + " experts' matrices"));
  const Weights weights = testing::value_of(Weights::open(options.output));
  size_t experts = 0;
  for (const WeightInfo& info : weights.list()) {
    if (!info.compressed) continue;
    experts += info.name.find("experts") != std::string::npos;
    std::vector<float> values(info.elements());
    EXPECT_TRUE(weights.read(info.name, DType::kF32, std::as_writable_bytes(std::span(values))));
    EXPECT_TRUE(std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); })) << info.name;
  }
  EXPECT_GT(experts, 0u);
  for (const TensorRecord& t : report.tensors)
    EXPECT_TRUE(std::isfinite(t.encoding->statistics.weighted_error)) << t.name;
  return report;
}

class UnseenExperts : public ::testing::TestWithParam<const char*> {};

TEST_P(UnseenExperts, AreCompressedAndReported) {
  const fs::path directory = testing::fixtures() / GetParam();
  if (!fs::exists(directory)) GTEST_SKIP() << "no fixtures in " << testing::fixtures();
  const testing::TempDir temporary;
  const CalibrationText text = one_token_text();
  const Result<CalibrateReport> calibrated =
      calibrate({.model = directory, .output = temporary / "hessians", .sequences = 4, .length = 32, .threads = 1},
                {&text, 1}, {});
  ASSERT_TRUE(calibrated) << calibrated.error().to_string();
  const size_t unseen = unseen_in(temporary / "hessians", directory);
  ASSERT_GT(unseen, 0u) << "the text reaches all experts: the test shows nothing";
  EXPECT_TRUE(std::any_of(calibrated->warnings.begin(), calibrated->warnings.end(),
                          [](const std::string& w) { return w.find("0 tokens") != std::string::npos; }));

  CompressOptions options;
  options.model = directory;
  options.output = temporary / "small";
  options.codecs = {NWC_SOURCE_CODECS "/fast-100.safetensors", NWC_SOURCE_CODECS "/fast-300.safetensors"};
  options.bits = 4.0;
  options.encode.normalisation.kind = Normalisation::kBoth;
  options.hessians = temporary / "hessians";
  options.threads = 1;
  expect_sound(options, unseen);
  // Of 4 bits on disk, headers of tensors this small take two and more. With 4 bits of payload the model still works.
  options.output = temporary / "larger";
  options.codecs = {NWC_SOURCE_CODECS "/fast-300.safetensors"};
  options.bits.reset();
  for (const TensorRecord& t : expect_sound(options, unseen).tensors) {
    EXPECT_LT(8.0 * static_cast<double>(t.encoding->statistics.payload_bytes) /
                  static_cast<double>(t.encoding->statistics.weights),
              5.0)
        << t.name;
    EXPECT_LT(t.encoding->statistics.squared_error / t.encoding->statistics.squared_weight, 0.03) << t.name;
  }
  const testing::Expected expected(directory);
  const double error =
      testing::relative_error(testing::outputs_of(options.output, expected).at("logits"), expected["logits"]);
  std::printf("%s: %zu matrices of experts unseen, relative L2 error of the logits %.3f\n", GetParam(), unseen, error);
  EXPECT_LT(error, 0.4);
}

INSTANTIATE_TEST_SUITE_P(Families, UnseenExperts, ::testing::Values("gpt_oss", "mixtral", "qwen3_moe"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace nwc
