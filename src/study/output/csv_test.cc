#include "study/output/csv.h"

#include <gtest/gtest.h>

#include <cmath>

namespace nwc {
namespace {

TEST(Csv, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(format_csv({{"a", "b c"}, {"1,5", "say \"no\""}, {"two\nlines", ""}}),
            "a,b c\n\"1,5\",\"say \"\"no\"\"\"\n\"two\nlines\",\n");
}

TEST(Csv, Numbers) {
  EXPECT_EQ(csv_number(1.0 / 3), "0.333333");
  EXPECT_EQ(csv_number(-2.5e-9), "-2.5e-09");
  EXPECT_EQ(csv_number(NAN), "");
  EXPECT_EQ(csv_number(-INFINITY), "");
  EXPECT_EQ(csv_shape({64, 176}), "64x176");
}

}  // namespace
}  // namespace nwc
