#include "base/json.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>

#include "base/json_repeated_keys.h"
#include "nwcodec/limits.h"

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

TEST(ParseJson, PythonWritesFloatsThatAreNotFinite) {
  const char* text = R"({"a": [0, -1.5e3, Infinity, -Infinity, NaN, 0.0], "NaN": "Infinity \" NaN"})";
  ASSERT_FALSE(parse_json(text).ok());
  const Result<Json> value = parse_json(text, JsonDialect::kPython);
  ASSERT_TRUE(value.ok()) << value.error().to_string();
  const Json& a = (*value)["a"];
  EXPECT_EQ(a[0], 0);
  EXPECT_EQ(a[1], -1500.0);
  EXPECT_EQ(a[2], INFINITY);
  EXPECT_EQ(a[3], -INFINITY);
  EXPECT_TRUE(std::isnan(a[4].get<double>()));
  EXPECT_EQ(a[5], 0.0);
  EXPECT_EQ((*value)["NaN"], "Infinity \" NaN");
}

TEST(ParseJson, PythonsDialectIsJsonOtherwise) {
  for (const char* text : {"infinity", "+Infinity", "--Infinity", "[NaN1]", "[1NaN]", "[1Infinity]", "[NaNNaN]", "nan",
                           "[1 NaN]", "{NaN: 1}", "{\"a\": \"NaN}", "[1,]", "\"\\"}) {
    const Result<Json> value = parse_json(text, JsonDialect::kPython);
    ASSERT_FALSE(value.ok()) << text;
    EXPECT_EQ(value.error().code(), ErrorCode::kCorrupt) << text;
  }
  EXPECT_EQ(*parse_json("[NaN, x]", JsonDialect::kPython).error().offset(),
            *parse_json("[0.0, x]", JsonDialect::kPython).error().offset());
}

TEST(ParseJson, BoundsTheNumberOfValues) {
  const auto list = [](const char* element, size_t count) {
    std::string text = "[";
    for (size_t i = 0; i < count; ++i) text.append(element).append(1, i + 1 < count ? ',' : ']');
    return text;
  };
  EXPECT_TRUE(parse_json(list("0", limits::kMaxJsonElements - 1)).ok());
  const Result<Json> value = parse_json(list("0", limits::kMaxJsonElements));
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code(), ErrorCode::kLimit);
  EXPECT_EQ(value.error().message(), "JSON has more than 4000000 values");
  const auto of_words = [&](size_t count) {
    return parse_json(list("NaN", count), JsonDialect::kPython, {.elements = 10}).ok();
  };
  EXPECT_TRUE(of_words(9));
  EXPECT_FALSE(of_words(10));
  EXPECT_FALSE(of_words(1000));
}

// The largest header of a safetensors file, of the smallest values: without a limit, 33 million objects in 3 GB.
TEST(ParseJson, SmallValuesDoNotFillTheMemory) {
  rusage before{}, after{};
  ASSERT_EQ(getrusage(RUSAGE_SELF, &before), 0);
  std::string text = "[";
  while (text.size() + 4 < limits::kMaxSafetensorsHeader) text += "{},";
  text += "{}]";
  const Result<Json> value = parse_json(text);
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code(), ErrorCode::kLimit);
  ASSERT_EQ(getrusage(RUSAGE_SELF, &after), 0);
#ifndef __SANITIZE_THREAD__  // its shadow takes several times the program's own memory
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 1 << 20) << "KiB";
#endif
}

TEST(Json, TakesTheLastOfRepeatedKeysWhereThatIsAskedFor) {
  std::vector<std::string> repeated;
  const Result<Json> value =
      parse_json_with_repeated_keys(R"({"a":1,"b":{"c":[2],"d":3,"c":{"e":4,"e":5}},"a":6})", repeated);
  ASSERT_TRUE(value) << value.error().to_string();
  EXPECT_EQ(value->dump(), R"({"a":6,"b":{"c":{"e":5},"d":3}})");
  EXPECT_EQ(repeated, (std::vector<std::string>{"c", "e", "a"}));
}

}  // namespace
}  // namespace nwc
