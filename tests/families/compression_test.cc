// Every family compressed at about 4 bits, without data and with Hessians of its own (tests/data/families).
#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include "calibrate/calibrate.h"
#include "compress/compress.h"
#include "evaluate/divergence.h"
#include "support/fixtures.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::value_of;

// Tokens of the fixtures' vocabulary, for calibration or for comparison.
std::vector<int32_t> random_ids(uint64_t seed, int64_t count) {
  torch::manual_seed(seed);
  const at::Tensor ids = torch::randint(0, 64, {count}, torch::kInt64);
  return std::vector<int32_t>(ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + count);
}

struct Outcome {
  double bits = 0;  // of payload per weight
  double logits = 0, divergence = 0;
};

class Compression : public ::testing::TestWithParam<const char*> {
 protected:
  fs::path directory() const { return testing::committed_fixture(GetParam()); }

  // Every linear layer that the model announces must be among the compressed tensors.
  Outcome compress(const fs::path& output, const fs::path& hessians) const {
    const CompressReport report =
        value_of(compress_checkpoint({.model = directory(),
                                      .output = output,
                                      .codecs = {NWC_SOURCE_CODECS "/fast-300.safetensors"},
                                      .encode = {.normalisation = {.kind = Normalisation::kBoth}},
                                      .hessians = hessians,
                                      .threads = 1},
                                     {}));
    std::map<std::string, const TensorRecord*> records;
    Outcome outcome;
    uint64_t bytes = 0, weights = 0;
    for (const TensorRecord& t : report.tensors) {
      records[t.name] = &t;
      bytes += t.encoding->statistics.payload_bytes;
      weights += t.encoding->statistics.weights;
    }
    outcome.bits = 8.0 * static_cast<double>(bytes) / static_cast<double>(weights);
    const CausalLm original = value_of(CausalLm::open(directory(), {.threads = 1}));
    size_t linears = 0;
    for (const BlockSpec& block : original.spec().blocks) {
      for (const BlockLinear& l : linears_of(block)) {
        EXPECT_TRUE(records.contains(l.linear.weight)) << l.linear.weight;
        ++linears;
      }
    }
    EXPECT_EQ(records.size(), linears);
    const testing::Expected expected(directory());
    outcome.logits = testing::relative_error(testing::outputs_of(output, expected).at("logits"), expected["logits"]);
    const CausalLm small = value_of(CausalLm::open(output, {.threads = 1}));
    outcome.divergence = value_of(divergence(original, small, random_ids(2, 8 * 64), {.context = 64}, {})).mean_kl;
    return outcome;
  }
};

// Of these rates the 64 bytes of a tile's states are up to one bit: matrices are that small.
TEST_P(Compression, AtFourBits) {
  const testing::TempDir temporary;
  const CalibrationText text{"random", random_ids(1, 32 * 64)};
  const CalibrateReport calibrated = value_of(
      calibrate({.model = directory(), .output = temporary / "hessians", .sequences = 32, .length = 64, .threads = 1},
                {&text, 1}, {}));
  EXPECT_GT(calibrated.hessians, 0u);
  const Outcome plain = compress(temporary / "plain", {});
  const Outcome guided = compress(temporary / "guided", temporary / "hessians");
  std::printf("%-12s data-free %.2f bits, logits %.3f, KL %.4f; calibrated %.2f bits, logits %.3f, KL %.4f\n",
              GetParam(), plain.bits, plain.logits, plain.divergence, guided.bits, guided.logits, guided.divergence);
  for (const Outcome& outcome : {plain, guided}) {
    EXPECT_NEAR(outcome.bits, 4.6, 0.7);
    EXPECT_LT(outcome.logits, 0.9);
  }
  EXPECT_LT(guided.divergence, 1.25 * plain.divergence);
}

INSTANTIATE_TEST_SUITE_P(Families, Compression, ::testing::ValuesIn(testing::kCommittedFamilies),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace nwc
