#include "compress/rate/divergence_prediction.h"

#include <gtest/gtest.h>

#include "nwcodec/inspect.h"
#include "nwcodec/weights.h"
#include "support/felt_checkpoint.h"

namespace nwc {
namespace {

using testing::FeltCheckpoint;

CompressOptions options_for(const FeltCheckpoint& felt, double bits) {
  return {.model = felt.model(),
          .output = felt.out(),
          .bits = bits,
          .encode = {.rate_weight = kBestRateWeight},
          .hessians = felt.hessians(),
          .guide = {.steps = StepRule::kSensitivity},
          .threads = 2};
}

TEST(CompressionPredictor, IsNearWhatCompressionComesTo) {
  const FeltCheckpoint felt;
  for (const double bits : {3.0, 5.0}) {
    CompressOptions options = options_for(felt, bits);
    options.output = felt.out(std::to_string(bits));
    Result<CompressionPredictor> predictor = CompressionPredictor::open(options, {});
    ASSERT_TRUE(predictor) << predictor.error().to_string();
    EXPECT_EQ(*predictor->rate_asked(), bits);
    const Result<CompressionPrediction> predicted = predictor->at(bits, {});
    ASSERT_TRUE(predicted) << predicted.error().to_string();
    EXPECT_FALSE(std::filesystem::exists(options.output)) << "writes nothing";

    ASSERT_TRUE(compress_checkpoint(options, {}));
    const CheckpointReport inspected = *inspect_checkpoint(options.output, true);
    EXPECT_NEAR(predicted->file_bytes / static_cast<double>(inspected.file_bytes), 1, 0.02);
    EXPECT_NEAR(predicted->bits / inspected.bits_per_weight(), 1, 0.02);
    ASSERT_EQ(predicted->tensors.size(), 3u);
    const Weights decoded = *Weights::open(options.output);
    double sum = 0;
    for (int block = 0; block < 3; ++block) {
      const PredictedTensor& line = predicted->tensors[static_cast<size_t>(block)];
      EXPECT_EQ(line.name, FeltCheckpoint::name(block));
      EXPECT_EQ(inspected.tensors[static_cast<size_t>(block)].table_rule, 1u) << "by line scales";
      EXPECT_NEAR(line.bits_per_weight() / inspected.tensors[static_cast<size_t>(block)].bits_per_weight(), 1, 0.05);
      ASSERT_EQ(line.divergence.has_value(), block < 2) << "no gradient came to the last";
      if (!line.divergence) continue;
      std::vector<float> values(felt.weights[0].size());
      ASSERT_TRUE(decoded.read(line.name, DType::kF32, std::as_writable_bytes(std::span(values))));
      const double form = testing::felt_by_definition(felt.fishers[static_cast<size_t>(block)],
                                                      felt.weights[static_cast<size_t>(block)], values);
      // What the sum of forms leaves out, and what feedback was fitted to.
      const double tokens = block == 0 ? 4096.0 / 16 : FeltCheckpoint::kEffective;
      EXPECT_NEAR(*line.divergence / (1.18 * (1 + 96 / tokens) * form), 1, 0.15);
      sum += *line.divergence;
    }
    EXPECT_DOUBLE_EQ(*predicted->divergence, sum);
  }
}

TEST(CompressionPredictor, Refusals) {
  const FeltCheckpoint felt;
  CompressOptions options = options_for(felt, 3);
  options.guide.steps = StepRule::kLevels;
  EXPECT_EQ(CompressionPredictor::open(options, {}).error().code(), ErrorCode::kInvalidArgument);
  options = options_for(felt, 3);
  options.bits.reset();
  EXPECT_EQ(CompressionPredictor::open(options, {})->rate_asked().error().to_string(),
            "no rate is asked for; give --bits or --size");
  options.size = SizeTarget{.bytes = 100};
  EXPECT_EQ(CompressionPredictor::open(options, {})->rate_asked().error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace nwc
