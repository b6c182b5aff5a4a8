#include <gtest/gtest.h>

#include "support/comparison_options.h"
#include "support/identity_hessians.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::options_for;
using testing::TempDir;

const fs::path kSource = NWC_SOURCE_DIR;

// At 8 bits what is left of a rotation is what it should be, nothing; tied and own heads, fused layers, biases, grouped
// heads, multipliers.
TEST(SpinQuant, RotationsLeaveTheFunctionAsItWas) {
  for (const char* family : {"smollm3", "phi3", "granite"}) {
    TempDir work;
    const fs::path model = kSource / "tests/data/families" / family;
    fs::create_directories(work / "hessians");
    testing::write_identity_hessians(model, work / "hessians");
    ComparisonOptions options = options_for(model, work, 64);
    options.hessians = work / "hessians";
    options.methods = {"spinquant:group=16", "round-to-nearest:group=16"};
    options.bits = {8, 2};
    const Result<ComparisonReport> report = run_comparison(options, {});
    ASSERT_TRUE(report.ok()) << report.error().to_string();
    EXPECT_LT(report->points[0].texts.at(0).divergence, 0.002 * report->points[3].texts.at(0).divergence) << family;
  }
}

TEST(SpinQuant, RefusesWhatARotationDoesNotCommuteWith) {
  for (const auto& [family, reason] : {std::pair("gemma2", "norms behind attention or MLP"),
                                       {"starcoder2", "LayerNorm, which subtracts means"},
                                       {"deepseek_v3", "latent attention"}}) {
    TempDir work;
    const fs::path model = kSource / "tests/data/families" / family;
    fs::create_directories(work / "hessians");
    testing::write_identity_hessians(model, work / "hessians");
    ComparisonOptions options = options_for(model, work, 64);
    options.hessians = work / "hessians";
    options.methods = {"spinquant"};
    options.bits = {4};
    const Result<ComparisonReport> report = run_comparison(options, {});
    ASSERT_TRUE(report.ok()) << report.error().to_string();
    EXPECT_NE(report->points[0].missing.find(reason), std::string::npos) << report->points[0].missing;
  }
}

}  // namespace
}  // namespace nwc
