#include "report/report.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/hash.h"
#include "base/json.h"
#include "guide/hessian_store.h"
#include "nwcodec/inspect.h"
#include "report/figures.h"
#include "report/report_html.h"
#include "report/report_json.h"
#include "support/tiny_checkpoint.h"
#include "support/well_formed.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::TinyCheckpoint;

// Hessians of the tiny checkpoint's compressed tensors: diagonal, rising from column to column; matrix 1 of the 3-D
// tensor saw no token.
void write_hessians(const TinyCheckpoint& tiny, const fs::path& directory) {
  const Checkpoint checkpoint = *Checkpoint::open(tiny.model());
  HessianFile file;
  const auto add = [&](const std::string& name, uint64_t features, std::vector<int64_t> tokens) {
    StoredHessian hessian{.features = features, .tokens = std::move(tokens)};
    for (const int64_t count : hessian.tokens) {
      for (uint64_t i = 0; i < features; ++i) {
        for (uint64_t j = 0; j <= i; ++j)
          hessian.triangles.push_back(count > 0 && i == j ? std::exp(0.1f * static_cast<float>(i)) : 0.0f);
      }
    }
    file.weights[name] = {file.hessians.size(), xxh3(checkpoint.find(name).tensor->bytes)};
    file.hessians.push_back(std::move(hessian));
  };
  add("model.layers.0.mlp.up_proj.weight", 70, {100});
  add("model.layers.1.mlp.up_proj.weight", 20, {100});
  add("model.layers.1.self_attn.q_proj.weight", 33, {100, 0});
  fs::create_directories(directory);
  ASSERT_TRUE(write_hessian_file(directory / "hessians-00000.safetensors", file));
}

class Report : public ::testing::Test {
 protected:
  Report() {
    write_hessians(tiny_, tiny_.out("hessians"));
    const CompressOptions options{.model = tiny_.model(),
                                  .output = tiny_.out(),
                                  .codecs = {tiny_.codec()},
                                  .encode = {.tile_chunks = 64},
                                  .hessians = tiny_.out("hessians"),
                                  .guide = {.importance = {.shares = {0.05, 0.1, 0.2}}},
                                  .threads = 1};
    run_ = *compress_checkpoint(options, {});
  }
  CompressionReport made(const CompressReport& run) const {
    Result<CompressionReport> report =
        make_report({tiny_.model(), tiny_.out(), tiny_.out("hessians"), {{"--what", "<given>"}}, 1}, run, {});
    if (!report) throw std::runtime_error(report.error().to_string());
    return *std::move(report);
  }
  TinyCheckpoint tiny_;
  CompressReport run_;
};

TEST_F(Report, AgreesWithTheEncoderAndTheFiles) {
  const CompressionReport report = made(run_);
  const CheckpointReport inspected = *inspect_checkpoint(tiny_.out(), true);
  EXPECT_EQ(report.weights, inspected.weights);
  EXPECT_EQ(report.bits, inspected.bits_per_weight());
  EXPECT_EQ(report.input_bytes, inspected.original_bytes);
  ASSERT_EQ(report.tensors.size(), 3u);
  EXPECT_EQ(report.tensors[0].record.name, "model.layers.0.mlp.up_proj.weight");
  EXPECT_EQ(report.tensors[2].type, "self_attn.q_proj");
  for (const ReportedTensor& t : report.tensors) {
    const auto encoded = std::find_if(run_.tensors.begin(), run_.tensors.end(),
                                      [&](const TensorRecord& r) { return r.name == t.record.name; });
    ASSERT_NE(encoded, run_.tensors.end());
    // The stored dtype rounds what the encoder saw: binary32 is exact, bfloat16 has 8 bits.
    const TensorRecord::Measured& measured = *t.record.measured;
    const EncodeStatistics& seen = encoded->encoding->statistics;
    EXPECT_NEAR(measured.nmse / (seen.squared_error / seen.squared_weight), 1, 1e-2) << t.record.name;
    // What the run said of the file is what stands there.
    EXPECT_EQ(t.record.dtype, encoded->dtype);
    EXPECT_EQ(t.record.shape, encoded->shape);
    EXPECT_EQ(t.record.weights, encoded->weights);
    EXPECT_EQ(t.record.payload_bytes, encoded->payload_bytes);
    EXPECT_EQ(t.record.side_bytes, encoded->side_bytes);
    EXPECT_EQ(t.record.own_tables, encoded->own_tables);
    EXPECT_EQ(t.record.table_rule, encoded->table_rule);
    EXPECT_EQ(t.record.columns_per_level, encoded->columns_per_level);
    EXPECT_EQ(t.record.encoding->statistics.patches, seen.patches);
    EXPECT_EQ(t.record.encoding->seconds, encoded->encoding->seconds);
    EXPECT_GT(measured.worst_column_nmse, measured.nmse) << "columns differ";
    EXPECT_LT(measured.worst_column_nmse, 0.5);
    ASSERT_TRUE(measured.hessian_error);
    EXPECT_GT(*measured.hessian_error, 0);
    EXPECT_LT(*measured.hessian_error, measured.nmse) << "levels follow the diagonal";
    EXPECT_GT(*measured.diagonal_error_correlation, 0.2) << t.record.name;
  }
  ASSERT_EQ(report.stages.size(), 4u);
  EXPECT_EQ(report.stages[0].name, "checking weights");
  EXPECT_EQ(report.stages[3].name, "measuring");
}

TEST_F(Report, TensorsOfAnEarlierRunAreMeasuredToo) {
  const CompressionReport report = made({.codec = run_.codec});
  ASSERT_EQ(report.tensors.size(), 3u);
  EXPECT_EQ(report.tensors[1].record.measured->nmse, made(run_).tensors[1].record.measured->nmse);
  EXPECT_FALSE(report.tensors[1].record.encoding);
  EXPECT_TRUE((*parse_json(report_json(report)))["tensors"][1]["seconds"].is_null());
}

TEST_F(Report, OfAnotherModelIsRefused) {
  const TinyCheckpoint other;
  other.write_shards(
      testing::SafetensorsBuilder().add("model.layers.0.a.weight", "F32", {1}, testing::raw<float>({1})),
      testing::SafetensorsBuilder().add("model.layers.0.b.weight", "F32", {1}, testing::raw<float>({1})));
  const Result<CompressionReport> report = make_report({other.model(), tiny_.out(), {}, {}, 1}, run_, {});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::kMismatch);
  EXPECT_EQ(report.error().tensor(), "model.layers.0.mlp.up_proj.weight");
}

TEST_F(Report, LeavesTheCheckpointAlone) {
  const auto before = testing::contents_of(tiny_.out());
  ASSERT_TRUE(write_report(made(run_), tiny_.out("deep/report")));
  EXPECT_EQ(testing::contents_of(tiny_.out()), before);
  EXPECT_TRUE(fs::exists(tiny_.out("deep/report") / kReportJson));
  EXPECT_TRUE(fs::exists(tiny_.out("deep/report") / kReportHtml));
}

// A column far below the others' range is lost, which the tensor's error does not show.
TEST(ReportOfColumns, TheWorstColumnIsToldEvenWhereTheTensorLooksFine) {
  const TinyCheckpoint tiny;
  std::mt19937 random(7);
  std::vector<float> values = testing::random_values(48 * 70, 0.02, random);
  for (size_t r = 0; r < 48; ++r) values[r * 70 + 3] *= 1e-9f;
  for (size_t r = 0; r < 48; ++r) values[r * 70 + 11] = 2e6f * (r % 2 == 0 ? 1.0f : -1.0f);
  const testing::OwnedMatrix matrix("", DType::kF32, {48, 70}, values);
  tiny.write_shards(
      testing::SafetensorsBuilder().add("model.layers.0.a.weight", "F32", {48, 70}, testing::text_of(matrix.bytes())),
      testing::SafetensorsBuilder().add("model.norm.weight", "F32", {1}, testing::raw<float>({1})));
  const CompressReport run = *compress_checkpoint({.model = tiny.model(),
                                                   .output = tiny.out(),
                                                   .codecs = {tiny.codec()},
                                                   .encode = {.tile_chunks = 64},
                                                   .threads = 1},
                                                  {});
  ASSERT_EQ(run.tensors.size(), 1u);
  const CompressionReport report = *make_report({tiny.model(), tiny.out(), {}, {}, 1}, run, {});
  ASSERT_EQ(report.tensors.size(), 1u);
  EXPECT_LT(report.tensors[0].record.measured->nmse, 0.01);
  EXPECT_GT(report.tensors[0].record.measured->worst_column_nmse, 0.5);
  EXPECT_GT((*parse_json(report_json(report)))["tensors"][0]["worst_column_nmse"].get<double>(), 0.5);
}

TEST_F(Report, JsonHasTheNumbers) {
  CompressionReport report = made(run_);
  report.warnings = {"a \xff name"};
  const Result<Json> json = parse_json(report_json(report));
  ASSERT_TRUE(json) << json.error().to_string();
  EXPECT_EQ((*json)["options"]["--what"], "<given>");
  EXPECT_EQ((*json)["tensors"][0]["nmse"], report.tensors[0].record.measured->nmse);
  EXPECT_EQ((*json)["schema"], kRecordSchema);
  EXPECT_EQ((*json)["tensors"][0]["hessian_weighted_error"], *report.tensors[0].record.measured->hessian_error);
  EXPECT_EQ((*json)["hessian_weighted_error"], *report.hessian_error);
}

TEST_F(Report, PageIsWellFormedWhateverTheNames) {
  CompressionReport report = made(run_);
  const std::string nasty = "</td><script>alert(1)</script> & \"b\" 'c'";
  report.model = report.codec = report.tensors[0].record.name = report.tensors[0].type = nasty;
  report.warnings = {nasty};
  report.options = {{nasty, nasty}};
  const std::string html = report_html(report);
  EXPECT_TRUE(testing::well_formed(html));
  EXPECT_EQ(html.find("<script"), std::string::npos);
  for (const char* wanted : {"prefers-color-scheme:dark", "width=device-width", "Importance levels", "log10 of diag(H)",
                             "class=\"level3\""}) {
    EXPECT_NE(html.find(wanted), std::string::npos) << wanted;
  }
  EXPECT_EQ(html.find("http", html.find("<body>")), html.find("http://www.w3.org/2000/svg")) << "nothing is fetched";
}

TEST_F(Report, WithoutHessiansOrTensors) {
  CompressionReport report = *make_report({tiny_.model(), tiny_.out(), {}, {}, 1}, run_, {});
  EXPECT_FALSE(report.hessian_error || report.tensors[0].record.measured->hessian_error);
  EXPECT_TRUE(column_panels(report).empty());
  EXPECT_TRUE(testing::well_formed(report_html(report)));
  for (ReportedTensor& t : report.tensors) t.levels.clear();
  EXPECT_TRUE(level_maps(report).empty());
  report.tensors.clear();
  EXPECT_TRUE(testing::well_formed(report_html(report)));
}

TEST(Figures, ALevelMapShowsTheHighestLevelOfADot) {
  CompressionReport report;
  ReportedTensor tensor{.record = {}, .type = "a", .depth = 0};
  tensor.levels.assign(800, 0);  // two columns to a dot
  tensor.levels[4] = 1;
  tensor.levels[5] = 3;
  tensor.levels[799] = 2;
  report.tensors = {tensor, tensor};
  report.tensors[1].levels.assign(800, 0);
  const std::vector<LevelMap> maps = level_maps(report);
  ASSERT_EQ(maps.size(), 1u);
  EXPECT_EQ(maps[0].tensors, 2u);
  EXPECT_NE(maps[0].svg.find("<path class=\"level3\" d=\"M2 2h1\""), std::string::npos) << maps[0].svg;
  EXPECT_NE(maps[0].svg.find("<path class=\"level2\" d=\"M399 2h1\""), std::string::npos);
  EXPECT_EQ(maps[0].svg.find("level1"), std::string::npos);
}

TEST(Figures, CorrelationOfLogarithms) {
  ReportedTensor tensor;
  for (int k = 0; k < 10; ++k) {
    tensor.diagonal.push_back(std::pow(10.0f, 0.1f * static_cast<float>(k)));
    tensor.column_error.push_back(0.01f / tensor.diagonal.back());
  }
  EXPECT_NEAR(*diagonal_correlation(tensor), 1, 1e-6);
  std::reverse(tensor.diagonal.begin(), tensor.diagonal.end());
  EXPECT_NEAR(*diagonal_correlation(tensor), -1, 1e-6);
  tensor.diagonal.assign(10, 1.0f);
  EXPECT_FALSE(diagonal_correlation(tensor));
  tensor.diagonal.assign(10, 0.0f);
  EXPECT_FALSE(diagonal_correlation(tensor)) << "an expert without tokens";
}

}  // namespace
}  // namespace nwc
