#include "base/json.h"

#include <gtest/gtest.h>

namespace nwc {
namespace {

TEST(ParseJson, AcceptsOrdinaryTextAndKeepsKeyOrder) {
  const Result<Json> value = parse_json(R"({"b": 1, "a": [true, null, "x"]})");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->dump(), R"({"b":1,"a":[true,null,"x"]})");
}

TEST(ParseJson, RefusesDuplicateKeysAtAnyDepth) {
  const Result<Json> value = parse_json(R"({"a": {"k": 1, "j": 2, "k": 3}})");
  ASSERT_FALSE(value.ok());
  EXPECT_EQ(value.error().message(), "JSON key 'k' appears twice in one object");
  EXPECT_TRUE(parse_json(R"({"a": {"k": 1}, "b": {"k": 1}})").ok()) << "equal keys of different objects are fine";
}

TEST(ParseJson, RefusesBrokenText) {
  for (const char* text : {"", "{", "{\"a\":}", "[1,]", "{} x", "\"\xFF\"", "nul"}) {
    const Result<Json> value = parse_json(text);
    ASSERT_FALSE(value.ok()) << text;
    EXPECT_EQ(value.error().code(), ErrorCode::kCorrupt) << text;
  }
}

TEST(ParseJson, RefusesDeepNesting) {
  EXPECT_TRUE(parse_json(std::string(60, '[') + std::string(60, ']')).ok());
  const Result<Json> value = parse_json(std::string(100'000, '['));
  ASSERT_FALSE(value.ok());
  EXPECT_EQ(value.error().code(), ErrorCode::kLimit);
}

}  // namespace
}  // namespace nwc
