#include "learn/train.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <optional>

#include "codec/encode/encoder_codec.h"
#include "codec/encode/quality.h"
#include "learn/dataset.h"
#include "learn/synthetic.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"
#include "support/tiny_codec.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::read_file;
using testing::SafetensorsBuilder;
using testing::TempDir;

// A checkpoint of two layers of Gaussian weights, 128 x 96 and 64 x 40.
class TrainTest : public ::testing::Test {
 protected:
  TrainTest() {
    std::mt19937 random(1);
    model.add(
        "model.safetensors",
        SafetensorsBuilder()
            .add("model.embed_tokens.weight", "F32", {20, 16}, testing::raw(testing::random_values(320, 1, random)))
            .add("model.layers.0.a.weight", "F32", {128, 96},
                 testing::raw(testing::random_values(128 * 96, 0.02, random)))
            .add("model.layers.1.a.weight", "F32", {64, 40}, testing::raw(testing::random_values(64 * 40, 3, random)))
            .bytes());
  }

  TrainOptions options(const std::string& name) const {
    TrainOptions o;
    o.models = {model.path()};
    o.output = out / name;
    o.lambda = 100;
    o.level_coefficients = {0.5, 2.0};
    o.analysis = {24, 1};
    o.synthesis = {16, 1};
    o.steps = 24;
    o.batch = 64;
    o.threads = 1;
    o.validate_every = 10;
    o.save_every = 7;
    return o;
  }
  TrainReport trained(const TrainOptions& o) const {
    Result<TrainReport> report = train_codec(o, {}, {});
    if (!report) throw std::runtime_error(report.error().to_string());
    return *std::move(report);
  }
  void expect_refused(const TrainOptions& o, ErrorCode code) const {
    const Result<TrainReport> report = train_codec(o, {}, {});
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code(), code) << report.error().to_string();
    EXPECT_FALSE(fs::exists(o.output));
  }
  // Trains and stops after `step` steps.
  void interrupt(const TrainOptions& o, uint64_t step) const {
    std::atomic<bool> stop = false;
    const Progress progress{
        .report = [&](uint64_t done, uint64_t, const std::string& what) { stop = what == "training" && done == step; },
        .stop = &stop};
    const Result<TrainReport> report = train_codec(o, progress, {});
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code(), ErrorCode::kInterrupted);
    EXPECT_FALSE(fs::exists(o.output));
    EXPECT_TRUE(fs::exists(o.output.string() + ".training"));
  }
  TempDir model, out;
};

TEST_F(TrainTest, TheSameSeedGivesTheSameFile) {
  std::vector<int64_t> validated;
  TrainOptions o = options("a");
  const Result<TrainReport> report =
      train_codec(o, {}, [&](int64_t step, double, double loss, const std::vector<LevelQuality>& levels) {
        validated.push_back(step);
        EXPECT_TRUE(std::isfinite(loss));
        EXPECT_EQ(levels.size(), 2u);
      });
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  EXPECT_EQ(validated, (std::vector<int64_t>{10, 20, 24}));
  EXPECT_EQ(report->training_chunks + report->validation_chunks, 128u / 16 * 96 + 64 / 16 * 40);
  trained(options("b"));
  EXPECT_EQ(read_file(out / "a"), read_file(out / "b"));
  o = options("c");
  o.seed = 2;
  trained(o);
  EXPECT_NE(read_file(out / "a"), read_file(out / "c"));
  EXPECT_EQ(out.files(), (std::set<std::string>{"a", "b", "c"})) << "no state is left";
}

TEST_F(TrainTest, ResumingGivesTheSameFileAsNeverHavingStopped) {
  trained(options("whole"));
  for (const uint64_t step : {1, 7, 13, 23}) {
    TrainOptions o = options("part" + std::to_string(step));
    interrupt(o, step);
    o.resume = true;
    trained(o);
    EXPECT_EQ(read_file(o.output), read_file(out / "whole")) << "stopped after step " << step;
    EXPECT_FALSE(fs::exists(o.output.string() + ".training"));
  }
}

// The same command goes on whether --resume is given or not.
TEST_F(TrainTest, ARepeatedCommandGoesOn) {
  trained(options("whole"));
  const TrainOptions o = options("part");
  interrupt(o, 7);
  std::vector<int64_t> validated;
  const Result<TrainReport> report = train_codec(
      o, {}, [&](int64_t step, double, double, const std::vector<LevelQuality>&) { validated.push_back(step); });
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  EXPECT_EQ(validated, (std::vector<int64_t>{10, 20, 24}));
  EXPECT_EQ(read_file(o.output), read_file(out / "whole"));
}

TEST_F(TrainTest, AStateOfOtherOptionsIsRefusedByTheLineThatDiffers) {
  const std::string holds = "holds an unfinished run that was started with ";
  const auto message = [&](const TrainOptions& changed) {
    const Result<TrainReport> report = train_codec(changed, {}, {});
    EXPECT_FALSE(report.ok());
    if (report.ok()) return std::string();
    EXPECT_EQ(report.error().code(), ErrorCode::kExists) << report.error().to_string();
    return report.error().message();
  };
  TrainOptions o = options("x");
  interrupt(o, 3);
  o.lambda = 101;
  EXPECT_EQ(message(o), holds + "lambda 100, this run has 101");
  o.resume = true;
  EXPECT_EQ(message(o), holds + "lambda 100, this run has 101");
  o.lambda = 100;
  o.threads = 2;
  EXPECT_EQ(message(o), holds + "threads 1, this run has 2") << "whose sums differ";
  o.threads = 1;
  o.selection.exclude = {"layers.0"};
  EXPECT_EQ(message(o), "holds an unfinished run that was started without exclude 1, this run has layers.0");
  o.selection.exclude = {};
  // Other weights in a folder of the same name.
  std::string bytes = read_file(model / "model.safetensors");
  const std::string good = bytes;
  bytes[bytes.size() - 2] ^= 1;
  model.add("model.safetensors", bytes);
  EXPECT_TRUE(message(o).starts_with(holds + "training weights ")) << message(o);
  model.add("model.safetensors", good);
  trained(o);
}

TEST_F(TrainTest, AStateThatIsNoneIsRefused) {
  TrainOptions o = options("x");
  o.resume = true;
  expect_refused(o, ErrorCode::kNotFound);
  o.resume = false;
  interrupt(o, 3);
  std::ofstream(o.output.string() + ".training/state", std::ios::binary) << "no state";
  expect_refused(o, ErrorCode::kCorrupt);
  o.force = true;
  trained(o);
  EXPECT_EQ(out.files(), (std::set<std::string>{"x"}));
}

TEST_F(TrainTest, ASecondProcessIsRefused) {
  const TrainOptions o = options("x");
  std::optional<ErrorCode> second;
  const Progress progress{.report = [&](uint64_t, uint64_t, const std::string&) {
    if (second) return;
    const Result<TrainReport> report = train_codec(o, {}, {});
    second = report.ok() ? ErrorCode::kInternal : report.error().code();
  }};
  ASSERT_TRUE(train_codec(o, progress, {}).ok());
  EXPECT_EQ(second, ErrorCode::kBusy);
}

TEST_F(TrainTest, BothRecipesGiveACodecThatReads) {
  for (const TrainRecipe recipe : {TrainRecipe::kLinearStart, TrainRecipe::kPaper}) {
    for (const bool per_level : {false, true}) {
      TrainOptions o = options("r" + std::to_string(recipe == TrainRecipe::kPaper) + std::to_string(per_level));
      o.recipe = recipe;
      o.density_per_level = per_level;
      const TrainReport report = trained(o);
      const Result<EncoderCodec> codec = read_encoder_codec(o.output);
      ASSERT_TRUE(codec.ok()) << codec.error().to_string();
      EXPECT_EQ(codec->decoder.levels(), 2u);
      EXPECT_EQ(codec->decoder.chunk_length(), 16u);
      EXPECT_EQ(codec->density.sets, per_level ? 2u : 1u);
      EXPECT_EQ(codec->analysis.width, 24u);
      EXPECT_EQ(codec->decoder.synthesis.width, 16u);
      EXPECT_EQ(codec->metadata.at("nwcodec.lambda"), "100.0");
      // About what validation saw, which rounds without centers and with the networks in binary32.
      for (size_t l = 0; l < 2; ++l) EXPECT_NEAR(codec->nmse[l] / report.levels[l].nmse, 1.0, 0.2);
    }
  }
}

// The linear start knows the step that the objective asks for: for a Gaussian source, error 1 / (2 ln 2 lambda
// lambda_I).
TEST_F(TrainTest, TheLinearStartIsAQuantiserFromTheFirstStep) {
  TrainOptions o = options("linear");
  o.analysis = o.synthesis = {1, 0};
  o.steps = 1;
  const TrainReport report = trained(o);
  for (size_t l = 0; l < 2; ++l) {
    EXPECT_NEAR(report.levels[l].nmse * 2 * std::log(2.0) * o.lambda * o.level_coefficients[l], 1.0, 0.1) << l;
  }
}

TEST_F(TrainTest, TrainingHelps) {
  TrainOptions o = options("long");
  o.steps = 150;
  o.batch = 128;
  o.learning_rate = 3e-3;
  std::vector<double> losses;
  o.validate_every = 50;
  const Result<TrainReport> report = train_codec(
      o, {}, [&](int64_t, double, double loss, const std::vector<LevelQuality>&) { losses.push_back(loss); });
  ASSERT_TRUE(report.ok());
  ASSERT_EQ(losses.size(), 3u);
  EXPECT_LT(losses[2], losses[0]);
}

TEST_F(TrainTest, FineTuningStartsFromACodec) {
  TrainOptions first = options("first");
  trained(first);
  TrainOptions o = options("tuned");
  o.from = first.output;
  o.chunk = 8;  // the codec decides
  o.steps = 1;
  o.learning_rate = 1e-9;
  trained(o);
  const Result<EncoderCodec> a = read_encoder_codec(first.output), b = read_encoder_codec(o.output);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(b->decoder.chunk_length(), 16u);
  EXPECT_EQ(b->analysis.out_weight, a->analysis.out_weight);
  EXPECT_EQ(b->decoder.synthesis.embedding, a->decoder.synthesis.embedding);
  o = options("refused");
  o.from = first.output;
  o.level_coefficients = {1.0};
  expect_refused(o, ErrorCode::kMismatch);
  ASSERT_TRUE(write_encoder_codec(out / "foreign", testing::linear_codec()).ok());
  o.level_coefficients = {1.0, 2.0, 3.0, 4.0};
  o.from = out / "foreign";
  expect_refused(o, ErrorCode::kUnsupported);
}

TEST_F(TrainTest, AStudentDecodesItsTeachersLatents) {
  TrainOptions o = options("teacher");
  trained(o);
  TrainOptions student = options("student");
  student.teacher = o.output;
  student.synthesis = {20, 2};
  student.analysis = {999, 9};  // the teacher decides
  student.steps = 60;
  trained(student);
  const EncoderCodec of_teacher = *read_encoder_codec(o.output), of_student = *read_encoder_codec(student.output);
  EXPECT_EQ(of_student.analysis.in_weight, of_teacher.analysis.in_weight);
  EXPECT_EQ(of_student.density.layers[0].matrix, of_teacher.density.layers[0].matrix);
  EXPECT_EQ(of_student.decoder.synthesis.width, 20u);
  EXPECT_EQ(of_student.decoder.synthesis.depth, 2u);
  for (size_t l = 0; l < 2; ++l) EXPECT_LT(of_student.nmse[l], 2 * of_teacher.nmse[l]);
  student.from = o.output;
  student.output = out / "both";
  expect_refused(student, ErrorCode::kInvalidArgument);
}

TEST_F(TrainTest, BadOptionsAreRefused) {
  const auto with = [&](const auto& change) {
    TrainOptions o = options("never");
    change(o);
    expect_refused(o, ErrorCode::kInvalidArgument);
  };
  with([](TrainOptions& o) { o.models.clear(); });
  with([](TrainOptions& o) { o.lambda = 0; });
  with([](TrainOptions& o) { o.lambda = std::nan(""); });
  with([](TrainOptions& o) { o.chunk = 0; });
  with([](TrainOptions& o) { o.chunk = 257; });
  with([](TrainOptions& o) { o.latents = 0; });
  with([](TrainOptions& o) { o.latents = 257; });
  with([](TrainOptions& o) { o.latents = 15; });
  with([](TrainOptions& o) { o.level_coefficients.clear(); });
  with([](TrainOptions& o) { o.level_coefficients.assign(9, 1.0); });
  with([](TrainOptions& o) { o.level_coefficients[0] = 0; });
  with([](TrainOptions& o) { o.level_coefficients[0] = std::nan(""); });
  with([](TrainOptions& o) { o.analysis.depth = -1; });
  with([](TrainOptions& o) { o.analysis.depth = 65; });
  with([](TrainOptions& o) { o.synthesis.width = 0; });
  with([](TrainOptions& o) { o.synthesis.width = 4097; });
  with([](TrainOptions& o) { o.steps = 0; });
  with([](TrainOptions& o) { o.batch = 1; });
  with([](TrainOptions& o) { o.learning_rate = 0; });
  with([](TrainOptions& o) { o.auxiliary_learning_rate = -1; });
  with([](TrainOptions& o) { o.validate_every = 0; });
  with([](TrainOptions& o) { o.save_every = 0; });
  with([](TrainOptions& o) { o.heavy_share = 1; });
  with([](TrainOptions& o) { o.selection.exclude = {"."}; });
  with([](TrainOptions& o) { o.selection.include = {"("}; });
  TrainOptions o = options("there");
  std::ofstream(o.output) << "mine";
  const Result<TrainReport> report = train_codec(o, {}, {});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::kExists);
  EXPECT_EQ(read_file(o.output), "mine");
  o.force = true;
  trained(o);
  EXPECT_TRUE(read_encoder_codec(o.output).ok());
}

// --- what it learns from

TEST_F(TrainTest, ChunksAreNormalisedColumns) {
  const Result<ChunkSet> set = load_chunks({model.path()}, {}, Normalisation::kColumn, 16, 1'000'000, 1, {});
  ASSERT_TRUE(set.ok()) << set.error().to_string();
  const std::string directory = model.path().filename().string();
  EXPECT_EQ(set->tensors, (std::vector<std::string>{directory + ": model.layers.0.a.weight",
                                                    directory + ": model.layers.1.a.weight"}));
  EXPECT_EQ(set->training_chunks() + set->validation_chunks(), 928u);
  EXPECT_EQ(set->validation_chunks(), 14u) << "numbers 32, 96, ... of each: 12 of 768 and 2 of 160";
  double squares = 0;
  for (const float v : set->training) squares += v * v;
  EXPECT_NEAR(squares / static_cast<double>(set->training.size()), 1.0, 0.02);
}

TEST_F(TrainTest, LargeTensorsGiveAnEqualShare) {
  const Result<ChunkSet> set = load_chunks({model.path()}, {}, Normalisation::kColumn, 16, 400, 2, {});
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->training_chunks() + set->validation_chunks(), 160u + 240u);
  const Result<ChunkSet> small = load_chunks({model.path()}, {}, Normalisation::kColumn, 16, 200, 2, {});
  EXPECT_EQ(small->training_chunks() + small->validation_chunks(), 200u);
}

TEST_F(TrainTest, WeightsThatAreNotFiniteAreNamed) {
  std::vector<float> values(400, 1.0f);
  values[21] = INFINITY;
  model.add("model.safetensors",
            SafetensorsBuilder().add("model.layers.3.a.weight", "F32", {20, 20}, testing::raw(values)).bytes());
  const Result<ChunkSet> set = load_chunks({model.path()}, {}, Normalisation::kColumn, 16, 400, 1, {});
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().code(), ErrorCode::kNonFinite);
  EXPECT_EQ(set.error().tensor(), "model.layers.3.a.weight");
  EXPECT_EQ(set.error().message(), "weight [1, 1] is infinite");
}

TEST(HeavyTails, AreNormalisedAndHeavy) {
  const std::vector<float> chunks = heavy_tailed_chunks(4000, 16, 1);
  ASSERT_EQ(chunks.size(), 64000u);
  double squares = 0, fourth = 0;
  for (const float v : chunks) {
    ASSERT_TRUE(std::isfinite(v));
    squares += v * v;
    fourth += std::pow(v, 4);
  }
  EXPECT_NEAR(squares / 64000, 1.0, 0.01);
  EXPECT_GT(fourth / 64000, 5.0) << "a Gaussian has 3";
  EXPECT_EQ(chunks, heavy_tailed_chunks(4000, 16, 1));
  EXPECT_NE(chunks, heavy_tailed_chunks(4000, 16, 2));
}

}  // namespace
}  // namespace nwc
