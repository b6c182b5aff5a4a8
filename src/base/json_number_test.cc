#include "base/json_number.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace nwc {
namespace {

Result<double> read_back(double value) {
  const Result<Json> parsed = parse_json(json_number(value).dump());
  if (!parsed) return parsed.error();
  return number_from(*parsed);
}

TEST(JsonNumber, SurvivesATextWhateverItIs) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double value : {0.0, -1.5, 1e-320, 0.1, 1e308, kInfinity, -kInfinity}) {
    const Result<double> read = read_back(value);
    ASSERT_TRUE(read.ok()) << value;
    EXPECT_EQ(*read, value);
  }
  EXPECT_TRUE(std::isnan(*read_back(std::nan(""))));
}

TEST(JsonNumber, OtherValuesAreNone) {
  for (const Json& json : {Json(), Json("x"), Json(true), Json::array()}) {
    const Result<double> read = number_from(json);
    ASSERT_FALSE(read.ok()) << json;
    EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace nwc
