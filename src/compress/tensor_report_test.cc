#include "compress/tensor_report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace nwc {
namespace {

// What a part of an unfinished run keeps must come back whatever it is: else its block is never done.
TEST(TensorReport, NumbersThatAreNotFiniteSurvive) {
  CompressedTensorReport report{.name = "w", .shape = {2, 3}};
  report.statistics.weights = 6;
  report.statistics.squared_error = std::nan("");
  report.statistics.weighted_error = std::numeric_limits<double>::infinity();
  report.notes.damping = 0.01;
  report.recovery = {.error_before = -std::numeric_limits<double>::infinity(), .error_after = std::nan("")};
  const Result<Json> json = parse_json(to_json(report).dump());
  ASSERT_TRUE(json.ok());
  const Result<CompressedTensorReport> read = tensor_report_from(*json);
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_EQ(read->name, "w");
  EXPECT_EQ(read->statistics.weights, 6u);
  EXPECT_TRUE(std::isnan(read->statistics.squared_error));
  EXPECT_EQ(read->statistics.weighted_error, std::numeric_limits<double>::infinity());
  EXPECT_EQ(read->notes.damping, 0.01);
  ASSERT_TRUE(read->recovery);
  EXPECT_EQ(read->recovery->error_before, -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(read->recovery->error_after));
}

TEST(TensorReport, WhatIsNoneIsRefused) {
  Json json = to_json(CompressedTensorReport{.name = "w"});
  json["squared_error"] = nullptr;
  const Result<CompressedTensorReport> read = tensor_report_from(json);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt);
  json.erase("squared_error");
  EXPECT_FALSE(tensor_report_from(json).ok());
}

}  // namespace
}  // namespace nwc
