#include "methods/methods.h"

#include <gtest/gtest.h>

#include "methods/method_parameters.h"

namespace nwc {
namespace {

std::string why(const std::string& method, double bits = 4) {
  const Result<std::unique_ptr<const Method>> made = make_method(method, bits);
  return made ? std::string() : made.error().message();
}

TEST(Methods, AreNamesWithParameters) {
  EXPECT_EQ(why("round-to-nearest"), "");
  EXPECT_EQ(why("round-to-nearest:group=0:symmetric=1"), "");
  EXPECT_EQ(why("nearest"), "there is no method nearest");
  EXPECT_EQ(why("round-to-nearest:group=-4"),
            "round-to-nearest: parameter group must be a whole number from 0 to 1048576, not -4");
  EXPECT_EQ(why("round-to-nearest:group=4x"),
            "round-to-nearest: parameter group must be a whole number from 0 to 1048576, not 4x");
  EXPECT_EQ(why("round-to-nearest:symmetric=2"),
            "round-to-nearest: parameter symmetric must be a whole number from 0 to 1, not 2");
  EXPECT_EQ(why("round-to-nearest:group=3:group=4"), "round-to-nearest: parameter group is given twice");
  EXPECT_EQ(why("round-to-nearest:steps=4"), "round-to-nearest: has no parameter steps");
  EXPECT_EQ(why("round-to-nearest:4"), "round-to-nearest: parameters are KEY=VALUE, separated by colons, not 4");
}

TEST(Methods, SayAtWhichRatesTheyAreDefined) {
  EXPECT_EQ(why("round-to-nearest", 2.5), "round-to-nearest: is defined for whole bits from 1 to 8");
  const Result<std::unique_ptr<const Method>> made = make_method("round-to-nearest", 9);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(why("nwcodec", 2.5), "");
  EXPECT_EQ(why("nwcodec:steps=levels:recover=1", 2.5), "");
  EXPECT_EQ(why("nwcodec:steps=level"), "nwcodec: parameter steps is one of default, levels, not level");
  EXPECT_EQ(why("checkpoint"), "checkpoint: parameter directory must be given");
}

TEST(MethodParameters, NumbersAndNames) {
  Result<MethodParameters> parameters = MethodParameters::parse("damping=0.5:code=b");
  ASSERT_TRUE(parameters.ok());
  EXPECT_EQ(*parameters->real("damping", 0.01, 0, 1), 0.5);
  EXPECT_EQ(*parameters->real("other", 0.25, 0, 1), 0.25);
  EXPECT_EQ(*parameters->choice("code", {"a", "b"}), "b");
  EXPECT_EQ(*parameters->choice("form", {"a", "b"}), "a");
  EXPECT_TRUE(parameters->check_all_taken().ok());
  Result<MethodParameters> wrong = MethodParameters::parse("damping=2:code=c");
  ASSERT_TRUE(wrong.ok());
  EXPECT_EQ(wrong->real("damping", 0.01, 0, 1).error().message(),
            "parameter damping must be a number from 0 to 1, not 2");
  EXPECT_EQ(wrong->choice("code", {"a", "b"}).error().message(), "parameter code is one of a, b, not c");
}

}  // namespace
}  // namespace nwc
