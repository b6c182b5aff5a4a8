// The studies themselves, on a small checkpoint and a codec whose errors are known.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "baselines/sources.h"
#include "compress/compress.h"
#include "study/codec_quantizer.h"
#include "study/latents.h"
#include "study/model_tensors.h"
#include "study/output/study_output.h"
#include "study/rate_distortion_study.h"
#include "study/statistics_study.h"
#include "study/tensor_study.h"
#include "support/tiny_checkpoint.h"

namespace nwc {
namespace {

using testing::SafetensorsBuilder;
using testing::TinyCheckpoint;

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  return *std::move(result);
}

TEST(Samples, ColumnsOneAfterAnotherWhateverTheStorage) {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const testing::OwnedMatrix plain("w", DType::kF32, {2, 3}, values),
      transposed("w", DType::kF32, {3, 2}, values, true);
  EXPECT_EQ(raw_samples(plain.matrix(), {}).values, (std::vector<float>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(raw_samples(transposed.matrix(), {}).values, values);
  const Samples normalised = value_of(normalised_samples(plain.matrix(), {.columns = 2}, 1));
  EXPECT_EQ(normalised.columns, 2u);
  EXPECT_NEAR(normalised.power(), 1, 1e-3);
  EXPECT_NEAR(normalised.values[1] / normalised.values[0], 4, 1e-3);
}

TEST(Samples, RowsInStripes) {
  std::vector<float> values(64);
  for (size_t i = 0; i < 64; ++i) values[i] = static_cast<float>(i);
  const testing::OwnedMatrix m("w", DType::kF32, {64, 1}, values);
  const Samples s = raw_samples(m.matrix(), {.rows = 32});
  ASSERT_EQ(s.rows, 32u);
  EXPECT_EQ(s.values[15], 15);
  EXPECT_EQ(s.values[16], 32);
}

TEST(Places, OfNames) {
  EXPECT_EQ(TensorPlace::of("model.layers.3.self_attn.q_proj.weight").depth, 3);
  EXPECT_EQ(TensorPlace::of("model.layers.3.self_attn.q_proj.weight").type, "self_attn.q_proj");
  EXPECT_EQ(TensorPlace::of("model.layers.12.mlp.experts.7.up_proj.weight").type, "mlp.experts.*.up_proj");
  EXPECT_EQ(TensorPlace::of("model.layers.12.mlp.experts.gate_up_proj").type, "mlp.experts.gate_up_proj");
  EXPECT_EQ(TensorPlace::of("lm_head.weight").depth, -1);
  EXPECT_EQ(TensorPlace::of("lm_head.weight").type, "lm_head.weight");
}

TEST(Latents, OfALinearCodecAreWeightsOverItsStep) {
  const Samples samples{"w", 18, 2, std::vector<float>(36, 0.75f)};  // a chunk of 16 and one of 2 and padding, twice
  const std::vector<float> latents = latents_of(samples, testing::linear_codec());
  ASSERT_EQ(latents.size(), 64u);
  EXPECT_FLOAT_EQ(latents[0], 0.75f / testing::kLinearSteps[0]);
  EXPECT_FLOAT_EQ(latents[17], 0.75f / testing::kLinearSteps[0]);
  EXPECT_EQ(latents[18], 0);
}

TEST(CodecQuantizer, CountsAllBytes) {
  const Samples samples = draw(Source::kGaussian, 1 << 16, 1);
  const CodecPoint point = value_of(codec_quantizer(samples, testing::linear_codec(), 1));
  const double step = testing::kLinearSteps[0];
  EXPECT_NEAR(point.point.nmse, step * step / 12, 0.02 * step * step / 12);
  EXPECT_GT(point.point.bits, 3.047);  // the entropy
  EXPECT_LT(point.point.bits, 3.3);
  EXPECT_GE(point.point.bits, point.payload_bits + 16.0 / kSourceRows);
}

TEST(StatisticsStudy, MeasuresEveryStage) {
  const TinyCheckpoint tiny;
  const StatisticsReport report =
      value_of(run_statistics_study({.model = tiny.model(), .codec = tiny.codec(), .threads = 1}, {}));
  ASSERT_EQ(report.tensors.size(), 3u);
  EXPECT_EQ(report.tensors[0].name, "model.layers.0.mlp.up_proj.weight");
  EXPECT_EQ(report.tensors[2].type, "self_attn.q_proj");
  for (const TensorStatistics& t : report.tensors) {
    std::vector<std::string> stages;
    for (const StageStatistics& s : t.stages) stages.push_back(s.stage);
    EXPECT_EQ(stages,
              (std::vector<std::string>{"original", "dct", "rotation", "hadamard", "normalised", "normalised-dct",
                                        "normalised-rotation", "normalised-hadamard", "latents"}));
    EXPECT_NEAR(t.at("original").deviation, 0.02, 0.002);
    EXPECT_NEAR(t.at("hadamard").deviation, 0.02, 0.002);
    EXPECT_NEAR(t.at("normalised").deviation, 1, 0.01);
    EXPECT_NEAR(t.at("normalised-rotation").deviation, 1, 0.01);
    EXPECT_NEAR(t.at("latents").excess_kurtosis, t.at("normalised").excess_kurtosis, 1.3);  // padding adds zeros
  }
  const std::string csv = statistics_csv(report);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 3 * 9);
  EXPECT_NE(statistics_svg(report).find("self_attn.q_proj"), std::string::npos);
}

TEST(StatisticsStudy, NamesWhatItCannotUse) {
  const TinyCheckpoint tiny;
  const Result<StatisticsReport> none =
      run_statistics_study({.model = tiny.model(), .codec = tiny.codec(), .selection = {.exclude = {"layers"}}}, {});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code(), ErrorCode::kInvalidArgument);
  const std::atomic<bool> stop = true;
  const Result<StatisticsReport> stopped =
      run_statistics_study({.model = tiny.model(), .codec = tiny.codec()}, {.report = {}, .stop = &stop});
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code(), ErrorCode::kInterrupted);
}

TEST(RateDistortionStudy, AllMethodsOnAllSources) {
  const TinyCheckpoint tiny;
  RateDistortionOptions options{.model = tiny.model(),
                                .tensor = "model.layers.0.mlp.up_proj.weight",
                                .codecs = {tiny.codec()},
                                .samples = 1 << 14};
  options.trellis = {.state_bits = 10, .samples = 1024};
  options.largest_bits = 2;
  options.threads = 2;
  const RateDistortionReport report = value_of(run_rate_distortion_study(options, {}));
  std::set<std::string> sources, methods;
  for (const RateDistortionPoint& p : report.points) {
    sources.insert(p.source + (p.hadamard ? "+" : ""));
    methods.insert(p.method);
    EXPECT_GT(p.point.nmse, 0);
    EXPECT_LT(p.point.nmse, 1) << p.source << " " << p.method << " " << p.nominal_bits;
    if (p.source == "gaussian" && p.method != "shannon") {
      EXPECT_GT(gap_decibels(p.point), 0) << p.method << " " << p.nominal_bits;
    }
    if (p.method == "ecsq-uniform") {
      EXPECT_NEAR(p.over_ecsq, 0, 0.01);
      EXPECT_NEAR(p.point.bits, p.nominal_bits, 1e-3);
    }
  }
  EXPECT_EQ(sources.size(), 8u);
  EXPECT_EQ(methods, (std::set<std::string>{"sq", "vq", "plain", "trellis-8", "trellis-64", "tcq", "tcq*", "tcq-1mad",
                                            "tcq-rptc", "ecsq-uniform", "ecsq-optimal", "shannon", "nwcodec"}));
  options.threads = 1;
  EXPECT_EQ(rate_distortion_csv(report), rate_distortion_csv(value_of(run_rate_distortion_study(options, {}))));
  EXPECT_NE(rate_distortion_svg(report).find("student-t5, after a random Hadamard transform"), std::string::npos);
}

TEST(RateDistortionStudy, Refusals) {
  const TinyCheckpoint tiny;
  const auto refused = [](const RateDistortionOptions& options) {
    const Result<RateDistortionReport> report = run_rate_distortion_study(options, {});
    return report ? ErrorCode::kInternal : report.error().code();
  };
  EXPECT_EQ(refused({.model = tiny.model(), .tensor = "no such"}), ErrorCode::kNotFound);
  EXPECT_EQ(refused({.samples = 100}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused({.trellis = {.state_bits = 9}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused({.codecs = {tiny.out("none.safetensors")}}), ErrorCode::kNotFound);
}

CompressReport compress_tiny(const TinyCheckpoint& tiny) {
  return value_of(
      compress_checkpoint({.model = tiny.model(), .output = tiny.out(), .codecs = {tiny.codec()}, .threads = 1}, {}));
}

TEST(TensorStudy, AgreesWithTheEncodersOwnSums) {
  const TinyCheckpoint tiny;
  const CompressReport compressed = compress_tiny(tiny);
  const TensorStudyReport report =
      value_of(run_tensor_study({.model = tiny.model(), .compressed = tiny.out(), .threads = 1}, {}));
  ASSERT_EQ(report.tensors.size(), compressed.tensors.size());
  for (const TensorQuality& t : report.tensors) {
    const auto entry = std::find_if(compressed.tensors.begin(), compressed.tensors.end(),
                                    [&](const TensorRecord& c) { return c.name == t.name; });
    ASSERT_NE(entry, compressed.tensors.end());
    const EncodeStatistics& s = entry->encoding->statistics;
    const double weights = static_cast<double>(s.weights);
    EXPECT_NEAR(t.nmse, s.normalised_squared_error / weights, 0.01 * t.nmse) << t.name;
    EXPECT_NEAR(t.payload_bits, 8 * static_cast<double>(s.payload_bytes) / weights, 1e-9);
    EXPECT_NEAR(t.bits, 8 * static_cast<double>(entry->payload_bytes + entry->side_bytes) / weights, 1e-9);
    // The codec is a uniform quantiser, which half a step bounds.
    EXPECT_NEAR(t.largest_error, 0.5, 0.03);
    // At the payload's bits, which include the coder's overhead, an ideal coder affords a finer step.
    EXPECT_GT(t.over_ecsq(), 0);
    EXPECT_LT(t.ecsq_nmse, t.nmse);
    EXPECT_LE(t.ecsq_centroid_nmse, t.ecsq_nmse * 1.001);
  }
  const std::string csv = tensor_study_csv(report);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 4);
}

TEST(TensorStudy, RefusesWhatDoesNotBelongTogether) {
  const TinyCheckpoint tiny;
  (void)compress_tiny(tiny);
  const Result<TensorStudyReport> plain = run_tensor_study({.model = tiny.model(), .compressed = tiny.model()}, {});
  ASSERT_FALSE(plain.ok());
  EXPECT_EQ(plain.error().code(), ErrorCode::kInvalidArgument);
  const std::string data(4 * 16 * 16, '\0');
  tiny.write_shards(SafetensorsBuilder().add("model.layers.0.mlp.up_proj.weight", "F32", {16, 16}, data),
                    SafetensorsBuilder().add("x", "F32", {16, 16}, data));
  const Result<TensorStudyReport> shape = run_tensor_study({.model = tiny.model(), .compressed = tiny.out()}, {});
  ASSERT_FALSE(shape.ok());
  EXPECT_EQ(shape.error().code(), ErrorCode::kMismatch);
  EXPECT_EQ(shape.error().tensor(), "model.layers.0.mlp.up_proj.weight");
  tiny.write_shards(SafetensorsBuilder().add("a", "F32", {16, 16}, data),
                    SafetensorsBuilder().add("b", "F32", {16, 16}, data));
  const Result<TensorStudyReport> missing = run_tensor_study({.model = tiny.model(), .compressed = tiny.out()}, {});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code(), ErrorCode::kMismatch);
}

TEST(StudyOutput, RefusesToOverwrite) {
  const testing::TempDir dir;
  const StudyOutput output = value_of(StudyOutput::open(dir / "a" / "b", {"x.csv"}, false));
  ASSERT_TRUE(output.write("x.csv", "1\n").ok());
  EXPECT_EQ(testing::read_file(dir / "a" / "b" / "x.csv"), "1\n");
  const Result<StudyOutput> again = StudyOutput::open(dir / "a" / "b", {"x.csv"}, false);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code(), ErrorCode::kExists);
  EXPECT_TRUE(StudyOutput::open(dir / "a" / "b", {"x.csv"}, true).ok());
  EXPECT_TRUE(StudyOutput::open(dir / "a" / "b", {"y.csv"}, false).ok());
  dir.add("file", "");
  EXPECT_FALSE(StudyOutput::open(dir / "file", {"x.csv"}, false).ok());
}

}  // namespace
}  // namespace nwc
