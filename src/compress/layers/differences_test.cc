// Progressive checkpoints and deltas, as the compressor makes them.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/checkpoint_files.h"
#include "compress/layers/progressive.h"
#include "compress/layers/trimming.h"
#include "nwcodec/inspect.h"
#include "nwcodec/weights.h"
#include "support/checkpoint_runs.h"
#include "support/felt_checkpoint.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::compressed;
using testing::contents_of;
using testing::FeltCheckpoint;
using testing::interrupted_after;
using testing::refusal;
using testing::TinyCheckpoint;

CompressOptions options_for(const FeltCheckpoint& felt, const std::string& out) {
  return {.model = felt.model(),
          .output = felt.out(out),
          .encode = {.rate_weight = 0.1},
          .hessians = felt.hessians(),
          .guide = {.steps = StepRule::kSensitivity},
          .threads = 2};
}

std::vector<float> read(const fs::path& directory, const std::string& name, const WeightsOptions& options = {}) {
  const Result<Weights> weights = Weights::open(directory, options);
  if (!weights) throw std::runtime_error(weights.error().to_string());
  std::vector<float> values(weights->find(name)->elements());
  if (Status status = weights->read(name, DType::kF32, std::as_writable_bytes(std::span(values))); !status)
    throw std::runtime_error(status.error().to_string());
  return values;
}

double squared_error(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
  return sum;
}

TEST(Progressive, EachLayerTakesErrorsAwayAtItsRate) {
  const FeltCheckpoint felt;
  const ProgressiveOptions layers{.bits = {3, 5, 7}, .lower = {}};
  const Result<ProgressiveReport> report = compress_progressively(options_for(felt, "layers"), layers, {});
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  ASSERT_EQ(report->bits.size(), 3u);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(report->bits[i], layers.bits[i], 0.2) << i;  // tables alone take half a bit
  const std::string name = FeltCheckpoint::name(0);
  double last = 0;
  for (const float w : felt.weights[0]) last += static_cast<double>(w) * w;
  const double each[] = {6, 6, 5};  // times less squared error: two bits are worth 16, less what feedback does
  for (unsigned l = 1; l <= 3; ++l) {
    const double error = squared_error(read(felt.out("layers"), name, {.layers = l}), felt.weights[0]);
    EXPECT_LT(error, last / each[l - 1]) << l << " layers";
    last = error;
  }
  // The base is what its rate alone gives, with its feedback.
  CompressOptions alone = options_for(felt, "alone");
  alone.bits = 3;
  alone.guide.ldl.damping = layers.lower.damping;
  alone.guide.row_shrinkage = layers.lower.row_shrinkage;
  compressed(alone);
  std::map<std::string, std::string> base = contents_of(felt.out("layers"));
  std::erase_if(base,
                [](const auto& file) { return is_refinement_folder(file.first.substr(0, file.first.find('/'))); });
  EXPECT_EQ(base, contents_of(felt.out("alone")));

  const Result<TrimReport> trimmed =
      trim_checkpoint({.input = felt.out("layers"), .output = felt.out("trimmed"), .layers = 1}, {});
  ASSERT_TRUE(trimmed.ok()) << trimmed.error().to_string();
  EXPECT_EQ(contents_of(felt.out("trimmed")), contents_of(felt.out("alone")));
}

TEST(Progressive, AnInterruptedRunGoesOnToTheSameBytes) {
  const FeltCheckpoint felt;
  const TinyCheckpoint tiny;  // for its codec
  const auto options_without_data = [&](const std::string& out) {
    return CompressOptions{
        .model = felt.model(), .output = felt.out(out), .codecs = {tiny.codec()}, .bits = 4, .threads = 1};
  };
  const ProgressiveOptions layers{.bits = {4, 6}, .lower = {}};
  const auto run = [&](const std::string& out, const Progress& progress) {
    return compress_progressively(options_without_data(out), layers, progress);
  };
  const Result<ProgressiveReport> made = run("whole", {});
  ASSERT_TRUE(made.ok()) << made.error().to_string();
  const std::map<std::string, std::string> whole = contents_of(felt.out("whole"));
  EXPECT_TRUE(whole.contains("refinement-1/codec.safetensors"));
  EXPECT_FALSE(whole.contains("refinement-1/config.json"));
  int in_refinement = 0;
  for (int k = 5; k <= 60; k += 11) {
    const std::string out = "k" + std::to_string(k);
    const std::optional<Error> error = interrupted_after(k, [&](const Progress& p) { return run(out, p); });
    if (error) {
      EXPECT_EQ(error->code(), ErrorCode::kInterrupted);
      in_refinement += fs::exists(felt.out(out) / "config.json") ? 1 : 0;
      const Result<ProgressiveReport> resumed = run(out, {});
      ASSERT_TRUE(resumed.ok()) << resumed.error().to_string();
    }
    EXPECT_EQ(contents_of(felt.out(out)), whole) << "stopped after report " << k;
  }
  EXPECT_GT(in_refinement, 0);
  // Other layers are another run.
  const CompressOptions options = options_without_data("whole");
  (void)refusal(compress_progressively(options, {.bits = {4, 7}, .lower = {}}, {}), ErrorCode::kExists);
  (void)refusal(compress_progressively(options, {.bits = {4}, .lower = {}}, {}), ErrorCode::kInvalidArgument);
  (void)refusal(compress_progressively(options, {.bits = {6, 4}, .lower = {}}, {}), ErrorCode::kInvalidArgument);
}

// Of a tiny model: some weights changed, one tensor of another shape, one new, others as they were.
TEST(Delta, WhatHasNotChangedIsNotStored) {
  const TinyCheckpoint tiny;
  compressed(testing::options_for(tiny, "base"));
  const auto delta = [&](const std::string& out, const fs::path& original) {
    CompressOptions options = testing::options_for(tiny, out);
    Result<DifferenceBase> base = base_of_delta(tiny.out("base"), tiny.out(out));
    if (!base) throw std::runtime_error(base.error().to_string());
    options.base = *std::move(base);
    options.base->original = original;
    return compress_checkpoint(options, {});
  };
  // The same model: with its original at hand nothing, without the errors of the base.
  const Result<CompressReport> same = delta("same", tiny.model());
  ASSERT_TRUE(same.ok()) << same.error().to_string();
  EXPECT_EQ(same->differences->differences, 0u);
  EXPECT_EQ(same->differences->unchanged, 7u);
  const Result<CompressReport> refined = delta("refined", {});
  ASSERT_TRUE(refined.ok()) << refined.error().to_string();
  EXPECT_EQ(refined->differences->differences, 3u);
  EXPECT_EQ(refined->differences->unchanged, 4u);
  const std::string name = "model.layers.1.mlp.up_proj.weight";
  const std::vector<float> original = read(tiny.model(), name);
  EXPECT_EQ(read(tiny.out("same"), name), read(tiny.out("base"), name));
  EXPECT_LT(squared_error(read(tiny.out("refined"), name), original),
            squared_error(read(tiny.out("base"), name), original) / 4);
  const Result<Weights> opened = Weights::open(tiny.out("refined"));
  ASSERT_TRUE(opened.ok());
  const std::vector<fs::path> own = {tiny.out("refined") / "model-00001-of-00002.safetensors",
                                     tiny.out("refined") / "model-00002-of-00002.safetensors"};
  EXPECT_EQ(opened->files(), own) << "not its base's";
  EXPECT_EQ(opened->find(name)->dtype, DType::kBF16);
  EXPECT_EQ(opened->list().size(), 7u);

  // Fine-tuned.
  std::mt19937 random(3);
  const auto text = [&](DType dtype, const std::vector<uint64_t>& shape) {
    size_t n = 1;
    for (const uint64_t d : shape) n *= d;
    return testing::text_of(testing::OwnedMatrix("", dtype, shape, testing::random_values(n, 0.02, random)).bytes());
  };
  const TinyCheckpoint tuned;
  tuned.write_shards(
      testing::SafetensorsBuilder()
          .metadata("format", "pt")
          .add("model.embed_tokens.weight", "F32", {33, 16}, text(DType::kF32, {33, 16}))
          .add("model.layers.0.mlp.up_proj.weight", "F32", {49, 70}, text(DType::kF32, {49, 70}))
          .add("model.layers.0.norm.weight", "BF16", {4}, testing::raw<uint16_t>({1, 2, 3, 4})),
      testing::SafetensorsBuilder()
          .metadata("format", "pt")
          .add("added.weight", "BF16", {3}, testing::raw<uint16_t>({1, 2, 3}))
          .add("lm_head.weight", "BF16", {32, 16}, text(DType::kBF16, {32, 16}))
          .add("model.layers.1.mlp.up_proj.weight", "BF16", {40, 20}, text(DType::kBF16, {40, 20}))
          .add("model.layers.1.self_attn.q_proj.weight", "F16", {2, 16, 33}, text(DType::kF16, {2, 16, 33}))
          .add("model.position_ids", "I64", {3}, testing::raw<int64_t>({-1, 0, 5})));
  CompressOptions options = testing::options_for(tuned, "delta");
  Result<DifferenceBase> base = base_of_delta(tiny.out("base"), tuned.out("delta"));
  ASSERT_TRUE(base.ok());
  options.base = *std::move(base);
  const Result<CompressReport> report = compress_checkpoint(options, {});
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  EXPECT_EQ(report->differences->differences, 2u);
  EXPECT_EQ(report->differences->whole, 5u);
  EXPECT_EQ(report->differences->unchanged, 1u);
  const Result<CheckpointReport> inspected = inspect_checkpoint(tuned.out("delta"), true);
  ASSERT_TRUE(inspected.ok()) << inspected.error().to_string();
  EXPECT_EQ(inspected->tensors.size(), 3u);
  EXPECT_EQ(inspected->plain_tensors, 4u);
  for (const std::string& tensor : {name, std::string("model.layers.0.mlp.up_proj.weight")}) {
    const std::vector<float> wanted = read(tuned.model(), tensor);
    double squares = 0;
    for (const float w : wanted) squares += static_cast<double>(w) * w;
    EXPECT_LT(squared_error(read(tuned.out("delta"), tensor), wanted), squares / 20) << tensor;
  }
  EXPECT_EQ(read(tuned.out("delta"), "added.weight"), read(tuned.model(), "added.weight"));

  // Decompressed, every tensor is there; a base that lacks nothing, or is no base, is refused.
  const Result<DecompressReport> plain =
      decompress_checkpoint({.input = tuned.out("delta"), .output = tuned.out("plain"), .threads = 1}, {});
  ASSERT_TRUE(plain.ok()) << plain.error().to_string();
  const Result<Weights> all = Weights::open(tuned.out("plain"));
  ASSERT_TRUE(all.ok()) << all.error().to_string();
  EXPECT_EQ(all->list().size(), 8u);
  const std::string wide = "model.layers.0.mlp.up_proj.weight";  // F32, so that nothing is rounded
  EXPECT_EQ(read(tuned.out("plain"), wide), read(tuned.out("delta"), wide));
  (void)refusal(base_of_delta(tuned.out("delta"), tuned.out("x")), ErrorCode::kInvalidArgument);
  (void)refusal(base_of_delta(tiny.model(), tuned.out("x")), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace nwc
