// A compressed checkpoint in which nothing is compressed computes what the original computes.
#include <gtest/gtest.h>

#include <cstdio>

#include "compress/compress.h"
#include "nwcodec/inspect.h"
#include "support/fixtures.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

class LosslessRoundTrip : public ::testing::TestWithParam<const char*> {};

TEST_P(LosslessRoundTrip, OutputsStay) {
  const std::filesystem::path directory = testing::fixtures() / GetParam();
  if (!std::filesystem::exists(directory)) GTEST_SKIP() << "no fixtures in " << testing::fixtures();
  const testing::TempDir temporary;
  const std::filesystem::path packed = temporary / "packed";
  const Result<CompressReport> report = compress_checkpoint({.model = directory,
                                                             .output = packed,
                                                             .codecs = {NWC_SOURCE_CODECS "/fast-1000.safetensors"},
                                                             .selection = {.exclude = {"."}},
                                                             .threads = 1},
                                                            {});
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->warnings.size(), 2u)
      << "that nothing is compressed, and that expected.safetensors is no part of the model";
  const Result<CheckpointReport> inspected = inspect_checkpoint(packed, true);
  ASSERT_TRUE(inspected) << inspected.error().to_string();
  EXPECT_TRUE(inspected->tensors.empty());
  EXPECT_GT(inspected->plain_tensors, 0u);

  const testing::Expected expected(directory);
  for (const auto& [name, actual] : testing::outputs_of(packed, expected)) {
    const double error = testing::relative_error(actual, expected[name]);
    std::printf("%s %s: relative L2 error %.2e\n", GetParam(), name.c_str(), error);
    EXPECT_LT(error, 1e-4) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, LosslessRoundTrip, ::testing::ValuesIn(testing::kFixtureFamilies),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace nwc
