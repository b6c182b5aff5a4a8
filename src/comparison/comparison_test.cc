#include "comparison/comparison.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/comparison_options.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::options_for;
using testing::TempDir;

const fs::path kSource = NWC_SOURCE_DIR;

TEST(Comparison, PointsAreTakenFromAnEarlierRunOfTheSameKind) {
  TempDir work;
  ComparisonOptions options = options_for(kSource / "models/demo", work, 8000);
  options.methods = {"round-to-nearest", "seedlm"};
  options.bits = {2};
  const Result<ComparisonReport> first = run_comparison(options, {});
  ASSERT_TRUE(first.ok()) << first.error().to_string();
  ASSERT_EQ(first->points.size(), 2u);
  const ComparisonPoint& point = first->points[0];
  EXPECT_GT(point.bits, 2.1);
  EXPECT_LT(point.bits, 2.2);
  EXPECT_GT(point.texts.at(0).divergence, 0.1);
  EXPECT_GT(point.texts[0].original_perplexity, 1);
  EXPECT_EQ(first->points[1].missing, "seedlm: is published for 3 and 4 bits");
  EXPECT_FALSE(fs::exists(work / "out/checkpoints"));

  options.bits = {2, 4};
  options.methods = {"round-to-nearest"};
  const Result<ComparisonReport> second = run_comparison(options, {});
  ASSERT_TRUE(second.ok()) << second.error().to_string();
  EXPECT_EQ(second->from_earlier_run, 1u);
  EXPECT_EQ(second->points[0].texts[0].divergence, point.texts[0].divergence);
  EXPECT_LT(second->points[1].texts[0].divergence, 0.2 * point.texts[0].divergence);
  const std::string csv = comparison_csv(*second);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
  EXPECT_NE(comparison_svg(*second).find("round-to-nearest"), std::string::npos);

  options.windows.context = 16;
  const Result<ComparisonReport> other = run_comparison(options, {});
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code(), ErrorCode::kExists);
  EXPECT_NE(other.error().message().find("context"), std::string::npos) << other.error().to_string();
}

TEST(Comparison, MethodsThatNeedHessiansSaySo) {
  TempDir work;
  ComparisonOptions options = options_for(kSource / "models/demo", work, 8000);
  options.methods = {"gptq"};
  options.bits = {4};
  const Result<ComparisonReport> report = run_comparison(options, {});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().message(), "gptq needs Hessians");
}

}  // namespace
}  // namespace nwc
