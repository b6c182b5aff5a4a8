#include "text/stages/post_processor.h"

#include <gtest/gtest.h>

namespace nwc::text {
namespace {

using Ids = std::vector<int32_t>;

constexpr char kTemplate[] = R"({"type":"TemplateProcessing",
  "single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},
            {"SpecialToken":{"id":"</s>","type_id":0}}],
  "pair":[],
  "special_tokens":{"<s>":{"id":"<s>","ids":[1],"tokens":["<s>"]},
                    "</s>":{"id":"</s>","ids":[2,3],"tokens":["</s>","x"]}}})";

std::string error_of(std::string_view json) { return make_post_processor(Json::parse(json)).error().to_string(); }

TEST(PostProcessor, PutsSpecialTokensAround) {
  Ids ids = {7, 8};
  (*make_post_processor(Json::parse(kTemplate)))->add_special_tokens(ids);
  EXPECT_EQ(ids, (Ids{1, 7, 8, 2, 3}));
}

TEST(PostProcessor, RunsASequence) {
  Ids ids = {7};
  (*make_post_processor(Json::parse(R"({"type":"Sequence","processors":[{"type":"ByteLevel"},)" +
                                    std::string(kTemplate) + "," + kTemplate + "]}")))
      ->add_special_tokens(ids);
  EXPECT_EQ(ids, (Ids{1, 1, 7, 2, 3, 2, 3}));
}

TEST(PostProcessor, PutsBertsTokensAround) {
  Ids ids = {7};
  (*make_post_processor(Json::parse(R"({"type":"BertProcessing","sep":["[SEP]",102],"cls":["[CLS]",101]})")))
      ->add_special_tokens(ids);
  EXPECT_EQ(ids, (Ids{101, 7, 102}));
}

TEST(PostProcessor, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(error_of(R"({"type":"T"})"),
            "post_processor: type 'T' is not supported; supported are: Sequence, TemplateProcessing, ByteLevel, "
            "BertProcessing, RobertaProcessing");
  EXPECT_EQ(error_of(R"({"type":"BertProcessing","cls":["[CLS]",1]})"), "post_processor: 'sep' is missing");
  EXPECT_EQ(error_of(R"({"type":"BertProcessing","cls":["[CLS]"],"sep":["[SEP]",2]})"),
            "post_processor: 'cls' is not a token and its id");
  EXPECT_EQ(error_of(R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"B"}}]})"),
            "post_processor.single[0].Sequence: only one text, 'A', is supported");
  EXPECT_EQ(error_of(R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}},{"Sequence":{"id":"A"}}]})"),
            "post_processor.single[1].Sequence: only one text, 'A', is supported");
  EXPECT_EQ(error_of(R"({"type":"TemplateProcessing","single":[]})"),
            "post_processor: 'single' has no place for the text");
  EXPECT_EQ(error_of(R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}}],"special_tokens":{}})"),
            "post_processor.special_tokens: '<s>' is missing");
  EXPECT_EQ(error_of(R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}],)"
                     R"("special_tokens":{"x":{"ids":[-1]}}})"),
            "post_processor.special_tokens.x.ids is not a token id");
}

}  // namespace
}  // namespace nwc::text
