#include "report/steps_by_sensitivity.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "nwcodec/weights.h"
#include "report/report.h"
#include "report/report_html.h"
#include "report/report_json.h"
#include "support/felt_checkpoint.h"
#include "support/well_formed.h"

namespace nwc {
namespace {

using testing::FeltCheckpoint;

TEST(StepsBySensitivity, ReportSaysWhereTheBitsWent) {
  const FeltCheckpoint felt;
  const CompressOptions options{.model = felt.model(),
                                .output = felt.out(),
                                .bits = 4,
                                .encode = {.rate_weight = kBestRateWeight},
                                .hessians = felt.hessians(),
                                .guide = {.steps = StepRule::kSensitivity},
                                .threads = 2};
  const Result<CompressReport> run = compress_checkpoint(options, {});
  ASSERT_TRUE(run) << run.error().to_string();
  const Result<CompressionReport> made = make_report({felt.model(), felt.out(), felt.hessians(), {}, 2}, *run, {});
  ASSERT_TRUE(made) << made.error().to_string();
  const CompressionReport& report = *made;
  ASSERT_EQ(report.tensors.size(), 3u);
  const Weights decoded = *Weights::open(felt.out());
  double sum = 0;
  for (size_t i = 0; i < 3; ++i) {
    const ReportedTensor& t = report.tensors[i];
    ASSERT_TRUE(t.felt);
    ASSERT_EQ(t.felt->divergence.has_value(), i < 2);
    EXPECT_EQ(t.felt->column_octaves.size(), FeltCheckpoint::kColumns);
    EXPECT_EQ(t.felt->row_octaves.size(), FeltCheckpoint::kRows);
    if (i == 2) continue;
    std::vector<float> values(felt.weights[i].size());
    ASSERT_TRUE(decoded.read(t.record.name, DType::kF32, std::as_writable_bytes(std::span(values))));
    EXPECT_NEAR(*t.felt->divergence / testing::felt_by_definition(felt.fishers[i], felt.weights[i], values), 1, 1e-5);
    sum += *t.felt->divergence;
    // Rows' r_i rise from 1 to 1.96: steps fall by half an octave.
    const std::vector<double> rows = spread_of(t.felt->row_octaves);
    EXPECT_NEAR(rows.back() - rows.front(), 0.5, 0.15);
  }
  EXPECT_DOUBLE_EQ(felt_sums(report).divergence, sum);
  // Steps are such that every weight costs the same.
  const std::vector<FeltBlock> blocks = felt_blocks(report);
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_NEAR(blocks[0].divergence_share + blocks[1].divergence_share, 1, 1e-12);
  EXPECT_NEAR(blocks[0].expected_share + blocks[1].expected_share, 1, 1e-12);
  EXPECT_NEAR(blocks[0].divergence_share, blocks[0].expected_share, 0.05);
  EXPECT_EQ(blocks[2].divergence_share, 0);

  const Json json = *parse_json(report_json(report));
  EXPECT_DOUBLE_EQ(json["tensors"][0]["sensitivity"]["divergence"].get<double>(), *report.tensors[0].felt->divergence);
  EXPECT_TRUE(json["tensors"][2]["sensitivity"]["divergence"].is_null());
  EXPECT_EQ(json["tensors"][0]["sensitivity"]["column_octaves"].size(), 7u);
  EXPECT_EQ(json["sensitivity_by_block"].size(), 3u);
  const std::string html = report_html(report);
  EXPECT_TRUE(testing::well_formed(html));
  for (const char* wanted : {"Where the bits went", "share of the divergence", "steps of columns", "steps of rows"})
    EXPECT_NE(html.find(wanted), std::string::npos) << wanted;
}

TEST(SpreadOf, LeastToLargest) {
  std::vector<float> values;
  for (int i = 100; i >= 0; --i) values.push_back(static_cast<float>(i));
  EXPECT_EQ(spread_of(values), (std::vector<double>{0, 5, 25, 50, 75, 95, 100}));
  EXPECT_TRUE(spread_of({}).empty());
}

}  // namespace
}  // namespace nwc
