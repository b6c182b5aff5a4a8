#include "report/divergence/comparison.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "report/divergence/model_identity.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"
#include "support/well_formed.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::raw;
using testing::SafetensorsBuilder;
using testing::TempDir;

ComparedCheckpoint recorded(const std::string& label, uint64_t bytes, double kl, int64_t windows = 8) {
  ComparedCheckpoint c{.label = label};
  c.size.weights = 1000;
  c.size.plain_parameters = 1000;
  c.size.payload_bytes = bytes / 2;
  c.size.file_bytes = bytes;
  c.size.original_bytes = 4000;
  c.recorded = MeasuredQuality{.kl_divergence = kl,
                               .perplexity = 20,
                               .reference_perplexity = 19,
                               .top1_agreement = 0.9,
                               .windows = windows,
                               .context = 512,
                               .texts = {{.name = "<b>.txt", .hash = 255}},
                               .command = "compress <i>"};
  return c;
}

TEST(Comparison, OthersAreBeatenBySizeAndDivergenceTogether) {
  Comparison c;
  c.checkpoints = {recorded("large", 900, 0.01),   recorded("worse", 900, 0.02),    recorded("small", 300, 0.5),
                   recorded("wasteful", 600, 0.5), recorded("middle", 500, 0.1),    recorded("elsewhere", 1000, 0.6, 9),
                   recorded("twin", 500, 0.1),     ComparedCheckpoint{.label = "?"}};
  EXPECT_EQ(unbeaten(c), (std::vector<size_t>{2, 4, 6, 0, 5}));  // of another basis, nothing is said
}

TEST(Comparison, ATableHasARowForEach) {
  Comparison c;
  c.checkpoints = {recorded("small", 500, 0.125), ComparedCheckpoint{.label = "unknown"}};
  const auto rows = comparison_table(c);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[1], (std::vector<std::string>{"small", "500", "0.1250", "2.0000", "2.0000", "0.125", "", "20.0000",
                                               "19.0000", "0.9000", "8 windows of 512 of <b>.txt (00000000000000ff)"}));
  EXPECT_EQ(rows[2].size(), rows[0].size());
  EXPECT_EQ(rows[2][5], "");
}

TEST(Comparison, ThePageAndItsFilesSurviveHostileNames) {
  Comparison c{.version = "1", .reference = "<s>", .command = "nwcodec compare '<x>'", .warnings = {"<w>"}};
  c.checkpoints = {recorded("</td><script>", 500, 0.1), recorded("=cmd|x", 300, 0.3), recorded("exact", 900, 0)};
  const std::string html = comparison_html(c);
  EXPECT_TRUE(testing::well_formed(html));
  for (const char* bad : {"<script", "<s>", "<x>", "<w>", "<b>.txt", "<i>"})
    EXPECT_EQ(html.find(bad), std::string::npos) << bad;
  EXPECT_NE(html.find("better than all others of its size"), std::string::npos);
  const TempDir directory;
  ASSERT_TRUE(write_comparison(c, directory / "c.html"));
  const std::string csv = *read_text_file(directory / "c.csv", 1 << 16);
  EXPECT_NE(csv.find("\n'=cmd|x,300,"), std::string::npos) << csv;
  const Json json = *parse_json(*read_text_file(directory / "c.json", 1 << 16));
  EXPECT_EQ(json["unbeaten"], (Json{"=cmd|x", "</td><script>", "exact"}));
  EXPECT_EQ(json["checkpoints"][1]["quality"]["kl_divergence"], 0.3);
}

TEST(Comparison, MeasuredNowCountsBeforeRecorded) {
  TokenScores scores{3, 1, std::vector<TokenScore>(2)};
  for (TokenScore& score : scores.tokens) score = {.kl = 2, .reference_nll = 1, .candidate_nll = 3};
  const WindowTexts texts{{1, 2, 3}, {"a", "b", "c"}, std::vector<TokenClass>(3)};
  Comparison c{.texts = {"t.txt"}};
  c.checkpoints = {recorded("one", 500, 0.1), recorded("two", 600, 0.1)};
  for (ComparedCheckpoint& checkpoint : c.checkpoints) checkpoint.profile = profile_of(scores, texts);
  const ComparedQuality quality = *quality_of(c, c.checkpoints[0]);
  EXPECT_EQ(quality.kl_divergence, 2);
  EXPECT_DOUBLE_EQ(quality.perplexity, std::exp(3.0));
  EXPECT_EQ(quality.basis, "1 windows of 3 of t.txt");
  EXPECT_NE(comparison_html(c).find("Mean KL divergence by class of token"), std::string::npos);
  EXPECT_TRUE(testing::well_formed(comparison_html(c)));
  EXPECT_EQ(comparison_json(c)["checkpoints"][0]["profile"]["classes"][0]["kl_divergence"], 2.0);
}

TEST(Comparison, LabelsTellDirectoriesApart) {
  EXPECT_EQ(labels_of({"a/small", "b/small/", "b/other/"}), (std::vector<std::string>{"a/small", "b/small/", "other"}));
}

// A plain checkpoint of one weight in a block and a norm behind it.
ModelIdentity model(const TempDir& parent, const std::string& name, const std::string& config, float norm,
                    uint64_t columns = 2, const char* weight = "model.layers.0.mlp.up_proj.weight") {
  const fs::path directory = parent / name;
  fs::create_directories(directory);
  EXPECT_TRUE(write_file(directory / "config.json", config));
  EXPECT_TRUE(write_file(directory / "model.safetensors",
                         SafetensorsBuilder()
                             .add(weight, "F32", {1, columns}, raw<float>(std::vector<float>(columns, norm)))
                             .add("model.norm.weight", "F32", {1}, raw<float>({norm}))
                             .bytes()));
  Result<ModelIdentity> identity = ModelIdentity::of(directory);
  if (!identity) throw std::runtime_error(identity.error().to_string());
  return *std::move(identity);
}

TEST(ModelIdentity, OtherModelsAreToldByKeyShapeNameOrHash) {
  const TempDir parent;
  const ModelIdentity first =
      model(parent, "a", R"({"hidden_size": 2, "text": {"x": 1}, "torch_dtype": "float32"})", 1);
  const auto refusal = [&](const ModelIdentity& other) {
    const Status status = check_same_model(first, other);
    return status ? std::string("the same") : status.error().tensor() + ": " + status.error().message();
  };
  // How numbers are stored, and weights inside of blocks, do not count.
  EXPECT_EQ(refusal(model(parent, "same", R"({"dtype": "bfloat16", "text": {"x": 1, "dtype": "float16"},
            "quantization_config": {}, "hidden_size": 2})",
                          1)),
            "the same");
  EXPECT_EQ(refusal(model(parent, "key", R"({"hidden_size": 4, "text": {"x": 1}})", 1)),
            ": key 'hidden_size' of config.json is 4, elsewhere 2");
  EXPECT_EQ(refusal(model(parent, "inner", R"({"hidden_size": 2, "text": {"x": 2}})", 1)),
            ": key 'text' of config.json is {\"x\":2}, elsewhere {\"x\":1}");
  EXPECT_EQ(refusal(model(parent, "less", R"({"text": {"x": 1}})", 1)), ": config.json has no key 'hidden_size'");
  const std::string config = R"({"hidden_size": 2, "text": {"x": 1}})";
  EXPECT_EQ(refusal(model(parent, "shape", config, 1, 3)),
            "model.layers.0.mlp.up_proj.weight: has shape [1, 3], elsewhere [1, 2]");
  EXPECT_EQ(refusal(model(parent, "name", config, 1, 2, "model.layers.0.mlp.down_proj.weight")),
            "model.layers.0.mlp.up_proj.weight: is missing");
  EXPECT_TRUE(refusal(model(parent, "hash", config, 2)).starts_with("model.norm.weight: its hash is "));
}

}  // namespace
}  // namespace nwc
