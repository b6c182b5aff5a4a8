#include "report/divergence/divergence_report.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "report/page.h"
#include "support/temp_dir.h"
#include "support/well_formed.h"

namespace nwc {
namespace {

// Names and texts are of somebody who wants to run a script, to steer a spreadsheet, and to turn the page around.
DivergenceReport hostile_report() {
  const std::vector<std::string> pieces{"<script>alert(1)</script>",
                                        "\"' onmouseover=\"x",
                                        "=1+1",
                                        "\xE2\x80\xAE"
                                        "desrever",
                                        "a\nb\t\x01",
                                        "</div>&amp;",
                                        "",
                                        "\xF0\x9F\x99\x82",
                                        " word"};
  DivergenceReport r{.version = "1.2.3",
                     .checkpoint = "<b>small</b>",
                     .reference = "model\"",
                     .texts = {"<i>.txt"},
                     .command = "nwcodec eval '<b>small</b>'",
                     .warnings = {"<u>warning</u>"}};
  r.scores = {3, 3, std::vector<TokenScore>(6)};
  for (size_t i = 0; i < 6; ++i)
    r.scores.tokens[i] = {.kl = 0.5 * static_cast<double>(i + 1),
                          .reference_nll = 1,
                          .candidate_nll = 2,
                          .reference_top = static_cast<int32_t>(i),
                          .candidate_top = 5};
  for (size_t i = 0; i < pieces.size(); ++i) {
    r.tokens.ids.push_back(static_cast<int32_t>(i));
    r.tokens.pieces.push_back(pieces[i]);
    r.tokens.classes.push_back(class_of(pieces[i], false, ""));
  }
  r.profile = profile_of(r.scores, r.tokens);
  r.text_of = [pieces](int32_t id) { return pieces.at(static_cast<size_t>(id)); };
  return r;
}

TEST(DivergenceReport, ThePageEscapesWhatStrangersWrote) {
  const std::string html = divergence_html(hostile_report());
  EXPECT_TRUE(testing::well_formed(html));
  for (const char* bad : {"<script", "<b>small", "<i>.txt", "<u>", "\xE2\x80\xAE", "\x01", "onmouseover=\"x"})
    EXPECT_EQ(html.find(bad), std::string::npos) << bad;
  for (const char* good : {"&lt;script&gt;alert(1)&lt;/script&gt;", "[U+202E]desrever", "\xF0\x9F\x99\x82",
                           "default-src 'none'", "word start", "nwcodec eval &#39;&lt;b&gt;small"})
    EXPECT_NE(html.find(good), std::string::npos) << good;
  for (const char* fetched : {"http://", "https://", "src=", "href=", "url(", "@import"}) {
    std::string without_namespace = html;
    for (size_t at; (at = without_namespace.find("xmlns=\"http://www.w3.org/2000/svg\"")) != std::string::npos;)
      without_namespace.erase(at, 34);
    EXPECT_EQ(without_namespace.find(fetched), std::string::npos) << fetched;
  }
}

TEST(DivergenceReport, JsonHasTheFiguresOfThePage) {
  const Json json = *parse_json(divergence_json(hostile_report()));
  EXPECT_EQ(json["tokens"], 6);
  EXPECT_DOUBLE_EQ(json["kl_divergence"].get<double>(), 1.75);
  EXPECT_EQ(json["kl_divergence_maximum"], 3.0);
  EXPECT_EQ(json["worst_tokens"][0]["text"], " word");
  EXPECT_EQ(json["worst_tokens"][0]["window"], 2);
  EXPECT_EQ(json["worst_tokens"][0]["position"], 2);
  EXPECT_EQ(json["worst_tokens"][0]["class"], "word start");
  EXPECT_EQ(json["worst_tokens"][5]["text"], "\"' onmouseover=\"x");
  EXPECT_EQ(json["worst_tokens"][5]["top"]["text"], "</div>&amp;");
  EXPECT_EQ(json["worst_windows"][0]["window"], 2);
  EXPECT_EQ(json["costly_tokens"][0]["id"], 8);
  EXPECT_EQ(json["positions"][1]["last"], 3);
  EXPECT_EQ(json["command"], "nwcodec eval '<b>small</b>'");
}

TEST(DivergenceReport, WritesThreeFilesAndNoFormula) {
  const testing::TempDir directory;
  ASSERT_TRUE(write_divergence_report(hostile_report(), directory / "page.html"));
  const std::string csv = *read_text_file(directory / "page.csv", 1 << 20);
  EXPECT_TRUE(
      csv.starts_with("window,position,id,class,text,kl_divergence,reference_nll,nll,reference_top,top\n"
                      R"(0,1,1,word start,"""\""' onmouseover=\""x""",0.5,1,2,0,5)"
                      "\n"))
      << csv;
  EXPECT_NE(csv.find("\n0,2,2,number,\"\"\"=1+1\"\"\",1,"), std::string::npos) << csv;
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 7);
  EXPECT_EQ(*read_text_file(directory / "page.json", 1 << 20), divergence_json(hostile_report()));
  EXPECT_EQ(*read_text_file(directory / "page.html", 1 << 20), divergence_html(hostile_report()));
}

TEST(Page, CorpusTextShowsWhatIsNotSeen) {
  EXPECT_EQ(corpus_html("a<\n", true), "a&lt;\xE2\x8F\x8E\n");
  EXPECT_EQ(corpus_html("a\n", false), "a\xE2\x8F\x8E");
  EXPECT_EQ(corpus_html("\xD8\x9C\xE2\x81\xA6\xEF\xBB\xBF\xE2\x80\x8B", false), "[U+061C][U+2066][U+FEFF][U+200B]");
  EXPECT_EQ(corpus_html("\xE2\x80\x94\xE2\x80", false), "\xE2\x80\x94\xE2\x80");  // a dash, and half of something
}

}  // namespace
}  // namespace nwc
