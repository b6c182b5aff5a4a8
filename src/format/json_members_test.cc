#include "format/json_members.h"

#include <gtest/gtest.h>

namespace nwc {
namespace {

const JsonFields kValue{{"x", "1"}, {"y", "\"z\""}};

TEST(JsonMembers, FindsKeysAndValuesOfOneObject) {
  const std::string text = "\xEF\xBB\xBF {\"a\\u0062\" : [1, {\"}\": \"]\\\"\"}] ,\n\"c\":-1e5,\"d\":{\"e\":null}} ";
  const std::vector<JsonMember> members = members_of(text);
  ASSERT_EQ(members.size(), 3u);
  const auto value = [&](size_t i) { return text.substr(members[i].value.begin, members[i].value.size()); };
  EXPECT_EQ(members[0].name, "ab");
  EXPECT_EQ(value(0), "[1, {\"}\": \"]\\\"\"}]");
  EXPECT_EQ(members[1].name, "c");
  EXPECT_EQ(value(1), "-1e5");
  EXPECT_EQ(value(2), "{\"e\":null}");
  EXPECT_EQ(members_of(text, members[2].value.begin)[0].name, "e");
  EXPECT_TRUE(members_of(" { } ").empty());
}

TEST(JsonMembers, AddsInTheStyleOfTheText) {
  EXPECT_EQ(with_member("{}", "n", kValue), R"({"n": {"x": 1, "y": "z"}})");
  EXPECT_EQ(with_member("{\"a\":1}\n", "n", kValue), "{\"a\":1, \"n\": {\"x\": 1, \"y\": \"z\"}}\n");
  EXPECT_EQ(with_member("{\n  \"a\": 1\n}\n", "n", kValue),
            "{\n  \"a\": 1,\n  \"n\": {\n    \"x\": 1,\n    \"y\": \"z\"\n  }\n}\n");
  EXPECT_EQ(with_member("{\r\n\t\"a\": 1\r\n}", "n", kValue),
            "{\r\n\t\"a\": 1,\r\n\t\"n\": {\r\n\t\t\"x\": 1,\r\n\t\t\"y\": \"z\"\r\n\t}\r\n}");
}

TEST(JsonMembers, TakesAwayWhatWasAdded) {
  for (const std::string text : {"{}", " {\"a\": 1}", "{\n  \"a\": {\n  }\n}\n", "{\"a\" :1 , \"b\":[ ] }\n\n"}) {
    EXPECT_EQ(without_member(with_member(text, "n", kValue), "n"), text);
    EXPECT_EQ(without_member(text, "n"), text);
  }
  EXPECT_EQ(without_member("{\"a\": 1, \"b\": 2}", "a"), "{\"b\": 2}");
}

TEST(JsonMembers, RenamesInPlace) {
  EXPECT_EQ(with_member_renamed("{\"a\" :{\"a\":2}, \"b\": 2}", "a", "c\""), "{\"c\\\"\" :{\"a\":2}, \"b\": 2}");
  EXPECT_EQ(with_member_renamed("{\"b\": 2}", "a", "c"), "{\"b\": 2}");
}

}  // namespace
}  // namespace nwc
