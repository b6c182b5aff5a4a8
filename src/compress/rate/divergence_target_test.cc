#include "compress/rate/divergence_target.h"

#include <gtest/gtest.h>

#include <cmath>

#include "nwcodec/inspect.h"
#include "support/felt_checkpoint.h"
#include "support/tiny_checkpoint.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::contents_of;
using testing::FeltCheckpoint;

CompressOptions options_for(const FeltCheckpoint& felt, const std::string& output) {
  return {.model = felt.model(),
          .output = felt.out(output),
          .encode = {.rate_weight = kBestRateWeight},
          .hessians = felt.hessians(),
          .guide = {.steps = StepRule::kSensitivity},
          .threads = 2};
}

// Falls with the rate as a model's does, from another height than what is predicted.
Result<double> pretended(const fs::path& directory) {
  return std::exp(-1.45 * (inspect_checkpoint(directory, false)->bits_per_weight() - 4));
}

TEST(CompressToDivergence, IsTheCompressionAtTheRateThatItFinds) {
  const FeltCheckpoint felt;
  for (const double limit : {1.0, 0.2}) {
    const std::string name = std::to_string(limit);
    const CompressOptions options = options_for(felt, name);
    const Result<TargetedCompression> found = compress_to_divergence(options, limit, pretended, {});
    ASSERT_TRUE(found) << found.error().to_string();
    EXPECT_LE(found->taken.divergence, limit);
    EXPECT_GE(found->taken.divergence, 0.9 * limit);
    EXPECT_LE(found->trials.size(), 3u);
    EXPECT_EQ(*pretended(options.output), found->taken.divergence);
    CompressOptions direct = options_for(felt, name + "-direct");
    direct.bits = found->taken.bits;
    ASSERT_TRUE(compress_checkpoint(direct, {}));
    EXPECT_EQ(contents_of(options.output), contents_of(direct.output));
    EXPECT_FALSE(fs::exists(options.output / ".nwcodec"));
    EXPECT_EQ(compress_to_divergence(options, limit, pretended, {}).error().code(), ErrorCode::kExists);
    CompressOptions again = options;
    again.force = true;
    ASSERT_TRUE(compress_to_divergence(again, limit, pretended, {}));
    EXPECT_EQ(contents_of(options.output), contents_of(direct.output));
  }
}

TEST(CompressToDivergence, LeavesNothingWhereItEndsEarly) {
  const FeltCheckpoint felt;
  const CompressOptions options = options_for(felt, "out");
  int trials = 0;
  const auto interrupted = [&](const fs::path& directory) -> Result<double> {
    if (++trials == 2) return Error(ErrorCode::kInterrupted, "interrupted");
    return 5 * *pretended(directory);
  };
  EXPECT_EQ(compress_to_divergence(options, 0.3, interrupted, {}).error().code(), ErrorCode::kInterrupted);
  EXPECT_EQ(trials, 2);
  EXPECT_FALSE(fs::exists(options.output));
}

TEST(CompressToDivergence, OutOfReach) {
  const FeltCheckpoint felt;
  const CompressOptions options = options_for(felt, "out");
  const Result<TargetedCompression> none =
      compress_to_divergence(options, 1e-9, [](const fs::path&) -> Result<double> { return 0.25; }, {});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message(), "a divergence of 1e-09 is out of reach: at 7 bits per weight it is 0.25");
  EXPECT_FALSE(fs::exists(options.output));
}

}  // namespace
}  // namespace nwc
