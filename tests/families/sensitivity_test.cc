// Fixtures calibrated with gradients and compressed at 4 bits with steps by sensitivity, embedding and head included;
// mixtures also where experts are reached by no token; Fisher factors of committed families, too.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/random_variates.h"
#include "calibrate/calibrate.h"
#include "calibrate/labels.h"
#include "compress/compress.h"
#include "guide/calibration_sequences.h"
#include "guide/hessian_store.h"
#include "nwcodec/weights.h"
#include "support/fixtures.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"
#include "tensor/encode_options.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::value_of;

CalibrationText random_text(int64_t vocabulary, int64_t tokens) {
  torch::manual_seed(5);
  const at::Tensor ids = torch::randint(0, vocabulary, {tokens}, torch::kInt64);
  return {"random", std::vector<int32_t>(ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel())};
}

class Sensitivity : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!fs::exists(directory())) GTEST_SKIP() << "no fixtures in " << testing::fixtures();
  }
  fs::path directory() const {
    const fs::path committed = testing::committed_fixture(GetParam());
    return fs::exists(committed) ? committed : testing::fixtures() / GetParam();
  }
  CalibrateOptions calibration(int64_t sequences) const {
    return {.model = directory(),
            .output = temporary_ / "hessians",
            .sequences = sequences,
            .length = 32,
            .gradients = true,
            .threads = 1};
  }
  // Some four of payload, and what tables, scales and tiles come to, which in the smallest fixtures are more than the
  // weights; 8 is the most that rate control begins with.
  double bits() const {
    double weights = 0;
    const Weights original = value_of(Weights::open(directory()));
    for (const WeightInfo& info : original.list()) {
      if (info.shape.size() > 1) weights += static_cast<double>(info.elements());
    }
    return std::min(8.0, 4 + 8 * 20e3 / weights);
  }
  CompressReport compressed() const {
    return value_of(compress_checkpoint(
        {.model = directory(),
         .output = temporary_ / "small",
         .bits = bits(),
         .encode = {.rate_weight = kBestRateWeight, .normalisation = {.kind = Normalisation::kBoth}},
         .hessians = temporary_ / "hessians",
         .guide = {.steps = StepRule::kSensitivity},
         .threads = 1},
        {}));
  }
  // Of the logits, or of what the encoder makes of images and texts (not of how alike they are: of random weights'
  // embeddings, that is a small difference of large numbers).
  double error_of_outputs() const {
    const testing::Expected expected(directory());
    double worst = 0;
    for (const auto& [name, actual] : testing::outputs_of(temporary_ / "small", expected))
      if (name != "logits_per_image") worst = std::max(worst, testing::relative_error(actual, expected[name]));
    return worst;
  }
  // Every tensor that is compressed is what it was, about, and what calibration has seen is compressed.
  void expect_sound(const CompressReport& report) const {
    std::set<std::string> names;
    for (const TensorRecord& t : report.tensors) {
      names.insert(t.name);
      EXPECT_TRUE(std::isfinite(t.encoding->statistics.weighted_error)) << t.name;
    }
    const HessianStore store = value_of(HessianStore::open(temporary_ / "hessians"));
    EXPECT_TRUE(store.has_gradients());
    for (const std::string& end : store.ends()) EXPECT_TRUE(names.contains(end)) << end;
    const Weights weights = value_of(Weights::open(temporary_ / "small"));
    for (const WeightInfo& info : weights.list()) {
      if (!info.compressed) continue;
      std::vector<float> values(info.elements());
      EXPECT_TRUE(weights.read(info.name, DType::kF32, std::as_writable_bytes(std::span(values))));
      EXPECT_TRUE(std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); })) << info.name;
    }
  }
  static double bits_of(const CompressReport& report) {
    double bytes = 0, weights = 0;
    for (const TensorRecord& t : report.tensors) {
      bytes += static_cast<double>(t.encoding->statistics.payload_bytes);
      weights += static_cast<double>(t.encoding->statistics.weights);
    }
    return 8 * bytes / weights;
  }

  testing::TempDir temporary_;
};

class LanguageSensitivity : public Sensitivity {};

// What the Fisher factors of a layer, of one expert's in a fused tensor, are the means of.
struct Sums {
  at::Tensor inputs, rows;  // float64
  double tokens = 0;
};
using Layer = std::pair<std::string, int64_t>;  // tensor, and which of its matrices

// Both sides of every layer from one graph of the whole model for each sequence, in binary64 products.
std::map<Layer, Sums> whole_graph(const CausalLm& model, const fs::path& hessians) {
  const torch::AutoGradMode recording(true);
  std::map<Layer, Sums> sums;
  const CalibrationSequences sequences = value_of(read_sequences(sequences_file(hessians)));
  const auto embedding = value_of(model.embedding());
  const auto head = value_of(model.head());
  std::vector<std::shared_ptr<const Block>> blocks;
  for (size_t b = 0; b < model.blocks(); ++b) blocks.push_back(value_of(model.block(b)));
  for (size_t s = 0; s < sequences.texts[0].size(); ++s) {
    std::map<Layer, std::pair<at::Tensor, at::Tensor>> seen;
    const auto watch = [&](const LinearSpec& linear, const at::Tensor& x, const at::Tensor& y) {
      y.retain_grad();
      seen[{linear.weight, linear.slice ? linear.slice->index : 0}] = {x.detach(), y};
    };
    const at::Tensor ids = torch::tensor(at::ArrayRef<int32_t>(sequences.texts[0][s]), torch::kInt64);
    at::Tensor hidden = embedding->forward(ids.unsqueeze(0)).detach().requires_grad_(true);
    for (const auto& block : blocks) hidden = block->forward(hidden, {nullptr, watch});
    const at::Tensor logits = head->forward(hidden)[0];
    const at::Tensor labels = drawn_labels(seed_of_part(1, s))(logits.detach(), 0);
    torch::log_softmax(logits, -1).gather(1, labels.unsqueeze(1)).sum().backward();
    for (const auto& [layer, both] : seen) {
      const at::Tensor x = both.first.reshape({-1, both.first.size(-1)}).to(torch::kFloat64);
      const at::Tensor g = both.second.grad().reshape({-1, both.second.size(-1)}).to(torch::kFloat64);
      const at::Tensor weighted = x * g.square().sum(1, true).sqrt();
      const at::Tensor inputs = weighted.t().matmul(weighted), rows = g.square().sum(0);
      Sums& sum = sums[layer];
      sum.inputs = sum.inputs.defined() ? sum.inputs + inputs : inputs;
      sum.rows = sum.rows.defined() ? sum.rows + rows : rows;
      sum.tokens += static_cast<double>(x.size(0));
    }
  }
  return sums;
}

// Of each matrix of a tensor: the largest relative error of its factors.
double error_of_factors(const StoredFisher& fisher, size_t matrix, const Sums& wanted) {
  const auto n = static_cast<int64_t>(fisher.features), m = static_cast<int64_t>(fisher.output_features);
  const float* next = fisher.inputs.data() + matrix * static_cast<size_t>(n * (n + 1) / 2);
  at::Tensor inputs = torch::zeros({n, n}, torch::kFloat64);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) inputs[i][j] = inputs[j][i] = *next++;
  }
  at::Tensor rows = torch::zeros({m}, torch::kFloat64);
  for (int64_t i = 0; i < m; ++i) rows[i] = fisher.rows[matrix * static_cast<size_t>(m) + static_cast<size_t>(i)];
  return std::max(testing::relative_error(inputs, wanted.inputs / wanted.tokens),
                  testing::relative_error(rows, wanted.rows / wanted.tokens));
}

TEST_P(LanguageSensitivity, FactorsAreThoseOfTheWholeModelsGraph) {
  const CausalLm model = value_of(CausalLm::open(directory(), {.threads = 1}));
  const CalibrationText text = random_text(model.spec().vocab_size, 4 * 32);
  ASSERT_TRUE(value_of(calibrate(calibration(4), {&text, 1}, {})).gradients);
  const HessianStore store = value_of(HessianStore::open(temporary_ / "hessians"));
  const Checkpoint checkpoint = value_of(Checkpoint::open(directory()));
  double worst = 0;
  size_t compared = 0;
  for (const auto& [layer, wanted] : whole_graph(model, temporary_ / "hessians")) {
    const std::optional<StoredFisher> fisher = value_of(store.find_fisher(*checkpoint.find(layer.first).tensor));
    ASSERT_TRUE(fisher) << layer.first;
    const double error = error_of_factors(*fisher, static_cast<size_t>(layer.second), wanted);
    EXPECT_LT(error, 1e-4) << layer.first << " " << layer.second;
    worst = std::max(worst, error);
    ++compared;
  }
  std::printf("%s: %zu layers, largest relative error of Fisher factors %.1e\n", GetParam(), compared, worst);
  EXPECT_GT(compared, 7u);
}

// Not of the committed families: scales, tables and tiles are more bytes than their weights.
class LanguageCompression : public Sensitivity {};

TEST_P(LanguageCompression, AtFourBits) {
  const ModelSpec spec = value_of(CausalLm::open(directory(), {.threads = 1})).spec();
  const CalibrationText text = random_text(spec.vocab_size, 32 * 32);
  const CalibrateReport calibrated = value_of(calibrate(calibration(32), {&text, 1}, {}));
  EXPECT_TRUE(calibrated.gradients);
  EXPECT_EQ(calibrated.sequences_without_gradient, 0);
  const CompressReport report = compressed();
  expect_sound(report);
  std::set<std::string> names;
  for (const TensorRecord& t : report.tensors) names.insert(t.name);
  for (const BlockSpec& block : spec.blocks) {
    for (const BlockLinear& l : linears_of(block)) EXPECT_TRUE(names.contains(l.linear.weight)) << l.linear.weight;
  }
  EXPECT_TRUE(names.contains(spec.embedding));
  const double error = error_of_outputs();
  std::printf("%-12s %.2f bits of payload, relative L2 error of the logits %.3f\n", GetParam(), bits_of(report), error);
  EXPECT_LT(error, 0.5);
}

constexpr const char* kLanguageFixtures[] = {"gemma3",  "gpt_oss", "llama2", "llama3",   "mistral",
                                             "mixtral", "qwen2",   "qwen3",  "qwen3_moe"};

INSTANTIATE_TEST_SUITE_P(Fixtures, LanguageSensitivity, ::testing::ValuesIn(kLanguageFixtures),
                         [](const auto& info) { return std::string(info.param); });
INSTANTIATE_TEST_SUITE_P(Fixtures, LanguageCompression, ::testing::ValuesIn(kLanguageFixtures),
                         [](const auto& info) { return std::string(info.param); });
INSTANTIATE_TEST_SUITE_P(Committed, LanguageSensitivity, ::testing::ValuesIn(testing::kCommittedFamilies),
                         [](const auto& info) { return std::string(info.param); });

class EncoderSensitivity : public Sensitivity {};

TEST_P(EncoderSensitivity, CompressesAtFourBits) {
  const auto bytes_of = [](const at::Tensor& t) {
    return std::string(static_cast<const char*>(t.data_ptr()), t.nbytes());
  };
  const bool two_towers = std::string(GetParam()) != "dinov2";
  torch::manual_seed(3);
  testing::SafetensorsBuilder file;
  file.add("pixel_values", "F32", {48, 3, 32, 32}, bytes_of(torch::randn({48, 3, 32, 32})));
  const at::Tensor ids = torch::randint(2, 320, {48, 16}, torch::kInt64);
  if (two_towers) file.add("input_ids", "I64", {48, 16}, bytes_of(ids));
  const fs::path inputs = temporary_.add("in.safetensors", file.bytes());
  const CalibrateReport calibrated = value_of(calibrate_encoder(calibration(1), inputs, {}));
  EXPECT_TRUE(calibrated.gradients);
  EXPECT_EQ(calibrated.sequences_without_gradient, 0);
  const CompressReport report = compressed();
  expect_sound(report);
  EXPECT_GT(report.tensors.size(), 10u);
  const double error = error_of_outputs();
  std::printf("%-12s %.2f bits of payload, relative L2 error of the outputs %.3f\n", GetParam(), bits_of(report),
              error);
  EXPECT_LT(error, 0.5);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, EncoderSensitivity, ::testing::Values("clip", "dinov2", "siglip"),
                         [](const auto& info) { return std::string(info.param); });

class MixtureSensitivity : public Sensitivity {};

// Copies of one token look alike at every position, so that all go to the same experts.
TEST_P(MixtureSensitivity, ExpertsThatNoTokenReaches) {
  const CalibrationText text{"copies", std::vector<int32_t>(4 * 32, 7)};
  const CalibrateReport calibrated = value_of(calibrate(calibration(4), {&text, 1}, {}));
  EXPECT_TRUE(calibrated.gradients);
  const auto few = std::find_if(calibrated.warnings.begin(), calibrated.warnings.end(), [](const std::string& w) {
    return w.starts_with("block 1: ") && w.find(" experts saw fewer tokens than they have inputs, ") != w.npos;
  });
  ASSERT_NE(few, calibrated.warnings.end());
  std::printf("%s\n", few->c_str());
  EXPECT_EQ(few->find(" 0 of them none"), few->npos) << *few;
  EXPECT_NE(few->find(" (0 tokens)"), few->npos) << *few;
  EXPECT_LE(calibrated.warnings.size(), 2u) << "a line for each block";
  const CompressReport report = compressed();
  expect_sound(report);
  EXPECT_TRUE(std::any_of(report.warnings.begin(), report.warnings.end(),
                          [](const std::string& w) { return w.starts_with("no token reached "); }));
  const double error = error_of_outputs();
  std::printf("%-12s %.2f bits of payload, relative L2 error of the logits %.3f\n", GetParam(), bits_of(report), error);
  EXPECT_LT(error, 0.6);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, MixtureSensitivity, ::testing::Values("gpt_oss", "mixtral", "qwen3_moe"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace nwc
