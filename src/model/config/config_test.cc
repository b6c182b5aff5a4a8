#include "model/config/config.h"

#include <gtest/gtest.h>

#include <limits>

namespace nwc {
namespace {

ConfigObject parsed(const std::string& text) {
  Result<ConfigObject> config = ConfigObject::parse(text, "config.json");
  EXPECT_TRUE(config) << config.error().to_string();
  return *std::move(config);
}

template <class T>
std::string message_of(const Result<T>& result) {
  return result ? "no error" : result.error().to_string();
}

TEST(ConfigTest, ReadsEachType) {
  const ConfigObject config = parsed(
      R"({"n": 7, "x": 1e-5, "whole": 10000, "yes": true, "name": "silu", "one": 2, "many": [1, 2], "words": ["a"]})");
  EXPECT_EQ(*config.integer("n", 1, 10), 7);
  EXPECT_EQ(*config.number("x", 0, 1), 1e-5);
  EXPECT_EQ(*config.number("whole", 1, 1e9), 10000.0);
  EXPECT_TRUE(*config.boolean("yes", false));
  EXPECT_EQ(*config.string("name"), "silu");
  EXPECT_EQ(*config.integers("one", 0, 9), (std::vector<int64_t>{2}));
  EXPECT_EQ(*config.integers("many", 0, 9), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(*config.strings("words"), (std::vector<std::string>{"a"}));
}

TEST(ConfigTest, NullCountsAsAbsent) {
  const ConfigObject config = parsed(R"({"n": null})");
  EXPECT_FALSE(config.has("n"));
  EXPECT_TRUE(config.mentions("n"));
  EXPECT_FALSE(config.mentions("other"));
  EXPECT_EQ(*config.integer("n", 1, 10, 5), 5);
  EXPECT_EQ(*config.string("n", "default"), "default");
  EXPECT_TRUE(config.integers("n", 0, 9)->empty());
  EXPECT_EQ(message_of(config.integer("n", 1, 10)), "config.json: key 'n' is missing");
  EXPECT_EQ(config.integer("n", 1, 10).error().code(), ErrorCode::kNotFound);
}

TEST(ConfigTest, RefusesWrongTypesByKey) {
  const ConfigObject config =
      parsed(R"({"a": "7", "b": 7.5, "c": 1, "d": [1, "x"], "e": {}, "f": 18446744073709551615})");
  EXPECT_EQ(message_of(config.integer("a", 0, 9)), "config.json: key 'a' is not an integer");
  EXPECT_EQ(message_of(config.integer("b", 0, 9)), "config.json: key 'b' is not an integer");
  EXPECT_EQ(message_of(config.integer("f", 0, 9)), "config.json: key 'f' is not an integer");
  EXPECT_EQ(message_of(config.number("a", 0, 9)), "config.json: key 'a' is not a number");
  EXPECT_EQ(message_of(config.boolean("c", false)), "config.json: key 'c' is neither true nor false");
  EXPECT_EQ(message_of(config.string("c")), "config.json: key 'c' is not a string");
  EXPECT_EQ(message_of(config.integers("d", 0, 9)),
            "config.json: key 'd' must be an integer, or a list of them, between 0 and 9");
  EXPECT_EQ(message_of(config.strings("d")), "config.json: key 'd' holds something that is not a string");
  EXPECT_EQ(message_of(config.strings("e")), "config.json: key 'e' is not a list");
  EXPECT_EQ(message_of(config.object("c")), "config.json: key 'c' is not an object");
  EXPECT_EQ(config.integer("a", 0, 9).error().code(), ErrorCode::kCorrupt);
}

TEST(ConfigTest, RefusesValuesOutOfRange) {
  const ConfigObject config = parsed(R"({"n": 11, "x": -0.5})");
  EXPECT_EQ(message_of(config.integer("n", 1, 10)), "config.json: key 'n' is 11; it must lie between 1 and 10");
  EXPECT_EQ(message_of(config.integer("n", 1, 10, 5)), "config.json: key 'n' is 11; it must lie between 1 and 10");
  EXPECT_EQ(message_of(config.number("x", 0, 1)), "config.json: key 'x' is -0.5; it must lie between 0 and 1");
  EXPECT_EQ(message_of(config.integers("n", 1, 10)),
            "config.json: key 'n' must be an integer, or a list of them, between 1 and 10");
}

TEST(ConfigTest, NumbersInTheSpellingsOfPython) {
  const ConfigObject config = parsed(
      R"({"whole": 32.0, "part": 32.5, "huge": 1e300, "inf": Infinity, "tag": {"__float__": "-Infinity"},
          "nan": {"__float__": "NaN"}, "odd": {"__float__": "1"}, "many": [1.0, 2]})");
  EXPECT_EQ(*config.integer("whole", 1, 64), 32);
  EXPECT_EQ(*config.integers("many", 1, 64), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(message_of(config.integer("part", 1, 64)), "config.json: key 'part' is not an integer");
  EXPECT_EQ(message_of(config.integer("huge", 1, 64)), "config.json: key 'huge' is not an integer");
  EXPECT_EQ(message_of(config.integer("inf", 1, 64)), "config.json: key 'inf' is not an integer");
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(*config.number("inf", 0, kInfinity), kInfinity);
  EXPECT_EQ(*config.number("tag", -kInfinity, 0), -kInfinity);
  EXPECT_EQ(message_of(config.number("nan", 0, 1)), "config.json: key 'nan' is nan; it must lie between 0 and 1");
  EXPECT_EQ(message_of(config.number("odd", 0, 1)), "config.json: key 'odd' is not a number");
}

TEST(ConfigTest, NestedKeysAreNamedWhole) {
  const ConfigObject config = parsed(R"({"rope": {"inner": {"factor": "eight"}}})");
  const Result<ConfigObject> rope = config.object("rope");
  ASSERT_TRUE(rope);
  const Result<ConfigObject> inner = rope->object("inner");
  ASSERT_TRUE(inner);
  EXPECT_EQ(message_of(inner->number("factor", 1, 8)), "config.json: key 'rope.inner.factor' is not a number");
}

TEST(ConfigTest, RefusesWhatIsNoObject) {
  EXPECT_EQ(message_of(ConfigObject::parse("[1]", "config.json")), "config.json: is not a JSON object");
  EXPECT_EQ(ConfigObject::parse("{", "config.json").error().file(), "config.json");
  EXPECT_EQ(ConfigObject::open("/nowhere/config.json").error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace nwc
