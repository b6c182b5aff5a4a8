#include "compress/selection_list.h"

#include <gtest/gtest.h>

#include <limits>

#include "compress/compress.h"
#include "support/tiny_checkpoint.h"

namespace nwc {
namespace {

using testing::SafetensorsBuilder;
using testing::TempDir;

Result<SelectionList> listed(const std::filesystem::path& model, const SelectionOptions& options = {},
                             bool keep_nonfinite = false) {
  return list_selection(model, options, keep_nonfinite, 1, {});
}

std::vector<std::string> lines_of(const SelectionList& list) {
  std::vector<std::string> lines;
  for (const ListedTensor& t : list.tensors) lines.push_back(t.name + ": " + t.why);
  return lines;
}

TEST(SelectionList, NamesEveryTensorWithAReason) {
  const testing::TinyCheckpoint tiny;
  const Result<SelectionList> list = listed(tiny.model(), {.include = {}, .exclude = {"q_proj"}});
  ASSERT_TRUE(list) << list.error().to_string();
  EXPECT_EQ(
      lines_of(*list),
      (std::vector<std::string>{
          "model.layers.0.mlp.up_proj.weight: compressed",
          "model.layers.0.norm.weight: has 1 dimension: only matrices and batches of matrices are compressed",
          "model.layers.1.mlp.up_proj.weight: compressed", "model.layers.1.self_attn.q_proj.weight: matches --exclude",
          "lm_head.weight: in no numbered block", "model.embed_tokens.weight: embedding",
          "model.position_ids: is I64: only F32, F16 and BF16 are compressed"}));
  EXPECT_EQ(list->tensors[0].elements, 3360u);
  EXPECT_TRUE(list->warnings.empty());
}

// What compression finds out by the weights, the list knows too: garbage, and NaN with and without --keep-nonfinite.
TEST(SelectionList, LooksAtTheWeights) {
  const TempDir dir;
  std::vector<float> fine, ruined, nan;
  for (int i = 0; i < 32 * 16; ++i) fine.push_back(0.01f * static_cast<float>(i % 7 - 3));
  ruined = nan = fine;
  ruined[5 * 16 + 2] = 1e15f;
  nan[7 * 16 + 9] = std::numeric_limits<float>::quiet_NaN();
  dir.add("model.safetensors", SafetensorsBuilder()
                                   .add("l.0.fine.weight", "F32", {32, 16}, testing::raw<float>(fine))
                                   .add("l.0.nan.weight", "F32", {32, 16}, testing::raw<float>(nan))
                                   .add("l.0.ruined.weight", "F32", {32, 16}, testing::raw<float>(ruined))
                                   .bytes());
  const std::string garbage =
      "l.0.ruined.weight: weight [5, 2] is 1e+15 where most are near 0.02; 16 of 16 columns would be lost beside it; "
      "compress it when such weights are set right";
  const auto verdicts = [](const SelectionList& list) {
    std::vector<Verdict> all;
    for (const ListedTensor& t : list.tensors) all.push_back(t.verdict);
    return all;
  };
  const Result<SelectionList> strict = listed(dir.path());
  ASSERT_TRUE(strict) << strict.error().to_string();
  EXPECT_EQ(verdicts(*strict), (std::vector{Verdict::kCompressed, Verdict::kRefused, Verdict::kGarbage}));
  EXPECT_EQ(lines_of(*strict),
            (std::vector<std::string>{"l.0.fine.weight: compressed",
                                      "l.0.nan.weight: weight [7, 9] is NaN; without --keep-nonfinite it ends the "
                                      "compression",
                                      garbage}));
  const Result<SelectionList> keeping = listed(dir.path(), {}, true);
  ASSERT_TRUE(keeping) << keeping.error().to_string();
  EXPECT_EQ(verdicts(*keeping), (std::vector{Verdict::kCompressed, Verdict::kNonFinite, Verdict::kGarbage}));
  EXPECT_EQ(lines_of(*keeping),
            (std::vector<std::string>{"l.0.fine.weight: compressed", "l.0.nan.weight: weight [7, 9] is NaN", garbage}));
  // What is not selected is not looked at.
  EXPECT_EQ(listed(dir.path(), {.include = {}, .exclude = {"nan"}})->tensors[1].verdict, Verdict::kExcluded);
}

TEST(SelectionList, OfACompressedCheckpointIsRefused) {
  const TempDir dir;
  dir.add("model.safetensors", SafetensorsBuilder().add("l.0.a.weight.nwc_stream", "U8", {1}, "x").bytes());
  EXPECT_EQ(listed(dir.path()).error().code(), ErrorCode::kInvalidArgument);
}

const std::string kMatrix(1024, '\0');  // of 8-bit weights

// FP8 beside BF16: decoded if nothing else is packed; what is left alone is named.
TEST(SelectionWarnings, MixedDtypes) {
  const TempDir dir;
  const auto warnings = [&](const SafetensorsBuilder& file) {
    dir.add("model.safetensors", file.bytes());
    return listed(dir.path())->warnings;
  };
  SafetensorsBuilder file;
  file.add("l.0.a.weight", "BF16", {16, 32}, kMatrix).add("l.0.b.weight", "F8_E4M3", {32, 32}, kMatrix);
  EXPECT_EQ(warnings(file), std::vector<std::string>{"1 tensors in F8_E4M3 are decoded to BF16 without "
                                                     "scales: l.0.b.weight"});
  file.add("l.0.c.qweight", "I32", {16, 16}, kMatrix).add("l.0.norm.weight", "F8_E4M3", {32, 32}, kMatrix);
  EXPECT_EQ(warnings(file),
            std::vector<std::string>{"2 linear weights in F8_E4M3, I32, packed in GPTQ, stay as they are; to compress "
                                     "them too, take the model before its quantisation (its model card names it), in "
                                     "BF16: l.0.b.weight, l.0.c.qweight"});
}

TEST(SelectionWarnings, Mxfp4) {
  const auto warnings = [](const SafetensorsBuilder& file) {
    const TempDir dir;
    dir.add("model.safetensors", file.bytes());
    return listed(dir.path())->warnings;
  };
  const std::string blocks(32, 'b'), scales(2, 's');
  EXPECT_TRUE(warnings(SafetensorsBuilder().add("x_blocks", "U8", {1, 2, 1, 16}, blocks)).empty());
  EXPECT_TRUE(
      warnings(SafetensorsBuilder().add("x_blocks", "U8", {32}, blocks).add("x_scales", "U8", {1, 2, 1}, scales))
          .empty());
  EXPECT_EQ(
      warnings(
          SafetensorsBuilder().add("x_blocks", "U8", {1, 2, 1, 16}, blocks).add("x_scales", "U8", {1, 2, 1}, scales)),
      std::vector<std::string>{"1 tensors in MXFP4 stay as they are, with 4.25 bits per weight; to compress them "
                               "too, store the checkpoint in BF16 first: x"});
}

TEST(SelectionWarnings, AGuessedStorageOrder) {
  const TempDir dir;
  const SafetensorsBuilder file = SafetensorsBuilder().add("l.0.experts.down_proj", "BF16", {2, 16, 16}, kMatrix);
  dir.add("model.safetensors", file.bytes());
  EXPECT_EQ(listed(dir.path())->warnings,
            std::vector<std::string>{"1 tensors are taken as [.., outputs, inputs], which is a guess for a model of "
                                     "this type; the other order costs quality, not correctness: "
                                     "l.0.experts.down_proj"});
  dir.add("config.json", R"({"model_type": "llama4"})");
  EXPECT_TRUE(listed(dir.path())->warnings.empty());
}

// Advice that helps: --include cannot make floats of FP8.
TEST(NothingToCompress, SaysWhatWouldHelp) {
  const testing::TinyCheckpoint tiny;
  const auto refusal = [&](const SafetensorsBuilder& second) {
    tiny.write_shards(SafetensorsBuilder().add("a", "U8", {1}, "x"), second);
    const Result<CompressReport> report =
        compress_checkpoint({.model = tiny.model(), .output = tiny.out(), .codecs = {tiny.codec()}}, {});
    return report ? std::string() : report.error().to_string();
  };
  EXPECT_EQ(refusal(SafetensorsBuilder().add("l.0.b.qweight", "I32", {16, 16}, kMatrix)),
            (tiny.model() / testing::kShards[1]).string() +
                ": tensor 'l.0.b.qweight': its weights are packed in a format that is not read, GPTQ; take the model "
                "before its quantisation (its model card names it), in BF16");
  EXPECT_EQ(
      refusal(SafetensorsBuilder().add("l.0.b.weight", "I32", {16, 16}, kMatrix)),
      tiny.model().string() + ": has linear weights in I32 only: l.0.b.weight; store the checkpoint in BF16 first");
  EXPECT_EQ(refusal(SafetensorsBuilder().add("b", "U8", {1}, "x")),
            tiny.model().string() +
                ": has no linear weights to compress; name tensors with --include; --list says why "
                "each is left alone");
}

}  // namespace
}  // namespace nwc
