// Expectations are what the `tokenizers` library gives.
#include "text/added_vocabulary.h"

#include <gtest/gtest.h>

namespace nwc::text {
namespace {

// Beside a model with a, b, ab and c.
AddedVocabulary made(std::string_view tokens) {
  const auto model = *make_model(Json::parse(R"({"vocab":{"a":0,"b":1,"ab":2,"c":3},"merges":["a b"]})"));
  return *AddedVocabulary::make(*read_added_tokens(Json::parse(tokens)), *model, nullptr);
}

TEST(AddedVocabulary, NumbersNewTokensBehindTheModels) {
  for (const char* id : {"4", "2", "9"}) {
    const AddedVocabulary added = made(R"([{"content":"<s>","special":true,"id":)" + std::string(id) + "}]");
    EXPECT_EQ(added.id_of("<s>"), 4) << id;
    EXPECT_EQ(*added.token_of(4), "<s>");
    EXPECT_EQ(added.id_limit(), 5);
    EXPECT_EQ(added.tokens_beside_model(), 1u);
    EXPECT_EQ(added.warnings().empty(), std::string_view(id) == "4");
  }
  const AddedVocabulary two = made(R"([{"id":5,"content":"x"},{"id":4,"content":"y"}])");
  EXPECT_EQ(two.id_of("x"), 4);
  EXPECT_EQ(two.id_of("y"), 5);
  EXPECT_EQ(two.warnings(), std::vector<std::string>{"added_tokens: 'x' has id 5 in the file, but 4 here as in the "
                                                     "tokenizers library; 1 more are numbered anew too"});
}

TEST(AddedVocabulary, TokensOfTheModelKeepTheirId) {
  const AddedVocabulary added = made(R"([{"id":7,"content":"ab"}])");
  EXPECT_EQ(added.id_of("ab"), 2);
  EXPECT_EQ(added.tokens_beside_model(), 0u);
}

TEST(AddedVocabulary, OfEqualContentsTheLastCounts) {
  const AddedVocabulary added = made(R"([{"id":4,"content":"x","special":true,"lstrip":true,"normalized":false},
                                         {"id":5,"content":"x","special":false,"normalized":false},
                                         {"id":5,"content":"y"}])");
  EXPECT_EQ(added.id_of("x"), 4);
  EXPECT_EQ(added.id_of("y"), 5);
  EXPECT_TRUE(added.is_special("x"));  // once special, always special
  EXPECT_EQ(added.in_text().find("c x").front().end, 2u) << "lstrip is the first token's, the last has none";
}

TEST(AddedVocabulary, LeavesEmptyContentsOut) {
  const AddedVocabulary added = made(R"([{"id":4,"content":""},{"id":5,"content":"x"}])");
  EXPECT_EQ(added.id_of(""), std::nullopt);
  EXPECT_EQ(added.id_of("x"), 4);
  EXPECT_EQ(added.warnings().size(), 2u);
  EXPECT_EQ(added.warnings()[0], "added_tokens: 1 without content left out");
}

}  // namespace
}  // namespace nwc::text
