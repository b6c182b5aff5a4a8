#include "ablation/ablation.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = NWC_SOURCE_DIR;

CompressOptions base() {
  CompressOptions options;
  options.model = kSource / "models/demo";
  options.codecs = {kSource / "codecs/fast-100.safetensors", kSource / "codecs/fast-300.safetensors"};
  return options;
}

TEST(Ablation, MeasuresWeightsAndModelAtTheRatesAskedFor) {
  testing::TempDir directory;
  std::vector<int32_t> ids;
  for (int i = 0; i < 256; ++i) ids.push_back((i * 37) % 8192);
  AblationOptions options{
      .bits = {3.0, 4.0}, .work = directory.path(), .ids = ids, .windows = {.context = 128}, .threads = 2};
  options.variants = normalisation_variants(base());
  options.variants.erase(options.variants.begin() + 1, options.variants.end());
  const Result<AblationReport> report = run_ablation(options, {});
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  ASSERT_EQ(report->points.size(), 2u);
  for (const AblationPoint& p : report->points) {
    EXPECT_EQ(p.variant, "column");
    EXPECT_NEAR(p.bits / p.asked_bits, 1.0, 0.01);
    EXPECT_LT(p.payload_bits, p.bits);
  }
  EXPECT_GT(report->points[0].relative_error, 3 * report->points[1].relative_error);
  EXPECT_GT(*report->points[0].divergence, 2 * *report->points[1].divergence);
  EXPECT_GT(report->original_perplexity, 1.0);
  EXPECT_TRUE(fs::is_empty(directory.path())) << "what was compressed is gone";
  const std::string csv = ablation_csv(*report);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
  EXPECT_NE(ablation_svg(*report).find("KL divergence"), std::string::npos);
}

TEST(Ablation, ErrorsNameTheVariant) {
  testing::TempDir directory;
  AblationOptions options{.bits = {3.0}, .work = directory.path()};
  options.variants = calibration_variants(base());
  for (AblationVariant& v : options.variants) v.options.hessians = directory.path() / "nothing";
  const Result<AblationReport> report = run_ablation(options, {});
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.error().message().find("variant 'neither'"), std::string::npos) << report.error().to_string();
}

TEST(Ablation, VariantsDifferInOneThing) {
  CompressOptions options = base();
  options.hessians = "h";
  const std::vector<AblationVariant> calibration = calibration_variants(options);
  EXPECT_TRUE(calibration[0].options.hessians.empty());
  for (size_t i = 1; i < calibration.size(); ++i) EXPECT_EQ(calibration[i].options.hessians, "h");
  EXPECT_EQ(calibration[1].options.guide.feedback, Feedback::kNone);
  EXPECT_FALSE(calibration[2].options.guide.levels);
  const std::vector<AblationVariant> codecs = codec_variants(options, options.codecs);
  ASSERT_EQ(codecs.size(), 2u);
  EXPECT_EQ(codecs[1].name, "fast-300");
  EXPECT_EQ(codecs[1].options.codecs, std::vector<fs::path>{options.codecs[1]});
}

}  // namespace
}  // namespace nwc
