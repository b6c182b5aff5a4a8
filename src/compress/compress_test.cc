// Checkpoints on their way to the compressed form, and what is refused before anything is written.
#include "compress/compress.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "nwcodec/inspect.h"
#include "support/checkpoint_runs.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::compressed;
using testing::contents_of;
using testing::expect_refused;
using testing::kCompressed;
using testing::kShards;
using testing::open_file;
using testing::options_for;
using testing::refusal;
using testing::SafetensorsBuilder;
using testing::TinyCheckpoint;

TEST(Compress, WritesTheDirectoryThatTheFormatDescribes) {
  const TinyCheckpoint tiny;
  const CompressReport report = compressed(options_for(tiny));
  const std::map<std::string, std::string> out = contents_of(tiny.out());
  std::set<std::string> names;
  for (const auto& [name, bytes] : out) names.insert(name);
  EXPECT_EQ(names, (std::set<std::string>{"README.md", "codec.safetensors", "config.json", kShards[0], kShards[1],
                                          "model.safetensors.index.json", "tokenizer.json"}));
  EXPECT_EQ(out.at("README.md"), "a model card");
  EXPECT_EQ(out.at("tokenizer.json"), "{\"tokens\": []}");
  EXPECT_NE(out.at("config.json").find("\"quant_method\": \"nwcodec\""), std::string::npos);

  const SafetensorsFile first = open_file(tiny.out() / kShards[0]), second = open_file(tiny.out() / kShards[1]);
  const auto tensor_names = [](const SafetensorsFile& file) {
    std::set<std::string> all;
    for (const TensorView& t : file.tensors()) all.insert(t.name);
    return all;
  };
  EXPECT_EQ(tensor_names(first),
            (std::set<std::string>{"model.embed_tokens.weight", "model.layers.0.norm.weight",
                                   "model.layers.0.mlp.up_proj.weight.nwc_scales",
                                   "model.layers.0.mlp.up_proj.weight.nwc_stream", "nwcodec.checksums"}));
  EXPECT_EQ(tensor_names(second),
            (std::set<std::string>{
                "lm_head.weight", "model.position_ids", "model.layers.1.mlp.up_proj.weight.nwc_scales",
                "model.layers.1.mlp.up_proj.weight.nwc_stream", "model.layers.1.self_attn.q_proj.weight.nwc_scales",
                "model.layers.1.self_attn.q_proj.weight.nwc_stream", "nwcodec.checksums"}));
  EXPECT_EQ(first.metadata().at("note"), "first");
  EXPECT_EQ(first.metadata().at("format"), "pt");
  EXPECT_EQ(first.find("model.layers.0.mlp.up_proj.weight.nwc_scales")->shape, (std::vector<uint64_t>{70}));
  EXPECT_EQ(first.find("model.layers.0.mlp.up_proj.weight.nwc_scales")->dtype, DType::kF16);

  // Tensors left alone keep every byte, NaN and all.
  for (const char* shard : kShards) {
    const SafetensorsFile before = open_file(tiny.model() / shard), after = open_file(tiny.out() / shard);
    for (const TensorView& t : before.tensors()) {
      if (kCompressed.contains(t.name)) continue;
      const TensorView* same = after.find(t.name);
      ASSERT_NE(same, nullptr) << t.name;
      EXPECT_EQ(same->dtype, t.dtype);
      EXPECT_EQ(same->shape, t.shape);
      EXPECT_EQ(testing::text_of(same->bytes), testing::text_of(t.bytes));
    }
  }
  EXPECT_TRUE(Checkpoint::open(tiny.out()).ok()) << "the index lists what is there";

  ASSERT_EQ(report.tensors.size(), 3u);
  EXPECT_EQ(report.tensors[0].name, "model.layers.0.mlp.up_proj.weight");
  EXPECT_EQ(report.tensors[0].shape, (std::vector<uint64_t>{48, 70}));
  EXPECT_EQ(report.tensors[0].weights, 3360u);
  EXPECT_EQ(report.tensors[0].payload_bytes + report.tensors[0].side_bytes,
            first.find("model.layers.0.mlp.up_proj.weight.nwc_stream")->bytes.size() + 140u);
  EXPECT_EQ(report.output_bytes,
            out.at(kShards[0]).size() + out.at(kShards[1]).size() + out.at("codec.safetensors").size());
  EXPECT_TRUE(report.warnings.empty());
  EXPECT_EQ(report.codec, tiny.codec());
}

TEST(Compress, ThreadsNeverChangeAByte) {
  const TinyCheckpoint tiny;
  CompressOptions options = options_for(tiny, "one");
  compressed(options);
  options.output = tiny.out("three");
  options.threads = 3;
  compressed(options);
  EXPECT_EQ(contents_of(tiny.out("one")), contents_of(tiny.out("three")));
}

TEST(Compress, IncludeAndExclude) {
  const TinyCheckpoint tiny;
  CompressOptions options = options_for(tiny);
  options.selection = {.include = {"^lm_head"}, .exclude = {"layers\\.1"}};
  const CompressReport report = compressed(options);
  ASSERT_EQ(report.tensors.size(), 2u);
  EXPECT_EQ(report.tensors[0].name, "model.layers.0.mlp.up_proj.weight");
  EXPECT_EQ(report.tensors[1].name, "lm_head.weight");
  options.output = tiny.out("none");
  options.selection = {.include = {}, .exclude = {"."}};
  options.bits = 4.0;
  expect_refused(compress_checkpoint(options, {}), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(tiny.out("none")));
  options.bits.reset();  // without a rate, nothing is what was asked for
  const CompressReport nothing = compressed(options);
  EXPECT_TRUE(nothing.tensors.empty());
  EXPECT_EQ(nothing.warnings, (std::vector<std::string>{"nothing is compressed: no weight is left by --exclude"}));
}

TEST(Compress, HitsARate) {
  const TinyCheckpoint tiny;
  std::mt19937 random(3);
  const testing::OwnedMatrix large("", DType::kF32, {256, 256}, testing::random_values(65536, 0.02, random));
  tiny.write_shards(
      SafetensorsBuilder().add("model.layers.0.a.weight", "F32", {256, 256}, testing::text_of(large.bytes())),
      SafetensorsBuilder().add("model.layers.1.a.weight", "F32", {256, 256}, testing::text_of(large.bytes())));
  for (const double bits : {3.0, 5.0}) {
    CompressOptions options = options_for(tiny, "rate" + std::to_string(bits));
    options.encode.tile_chunks = 2048;
    options.bits = bits;
    const CompressReport report = compressed(options);
    const Result<CheckpointReport> inspected = inspect_checkpoint(options.output, true);
    ASSERT_TRUE(inspected.ok());
    EXPECT_NEAR(inspected->bits_per_weight() / bits, 1.0, 0.02);
    EXPECT_NE(report.gain, 1.0);
  }
}

TEST(Compress, WeightsThatAreNotFinite) {
  const TinyCheckpoint tiny;
  std::vector<float> values(20 * 20, 1.0f);
  values[7 * 20 + 3] = std::nanf("");
  tiny.write_shards(
      SafetensorsBuilder().add("model.layers.0.a.weight", "F32", {20, 20}, testing::raw(std::vector<float>(400, 0.5f))),
      SafetensorsBuilder().add("model.layers.1.a.weight", "F32", {20, 20}, testing::raw(values)));
  CompressOptions options = options_for(tiny);
  const Error error = refusal(compress_checkpoint(options, {}), ErrorCode::kNonFinite);
  EXPECT_EQ(error.tensor(), "model.layers.1.a.weight");
  EXPECT_EQ(error.message(), "weight [7, 3] is NaN");
  EXPECT_EQ(error.file(), (tiny.model() / kShards[1]).string());
  EXPECT_FALSE(fs::exists(tiny.out())) << "refused before anything was written";

  options.keep_nonfinite = true;
  const CompressReport report = compressed(options);
  EXPECT_EQ(report.tensors.size(), 1u);
  EXPECT_EQ(report.warnings,
            (std::vector<std::string>{"model.layers.1.a.weight is stored uncompressed: weight [7, 3] is NaN"}));
  EXPECT_EQ(testing::text_of(open_file(tiny.out() / kShards[1]).find("model.layers.1.a.weight")->bytes),
            testing::raw(values));
}

TEST(Compress, OutputsThatStandInTheWay) {
  const TinyCheckpoint tiny;
  CompressOptions options = options_for(tiny);
  const std::map<std::string, std::string> before = contents_of(tiny.model());
  options.output = tiny.model();
  options.force = true;
  expect_refused(compress_checkpoint(options, {}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(contents_of(tiny.model()), before) << "the input, of all things";

  options = options_for(tiny, "occupied");
  fs::create_directories(options.output);
  std::ofstream(options.output / "notes.txt") << "mine";
  std::ofstream(options.output / "model.safetensors") << "stale";
  expect_refused(compress_checkpoint(options, {}), ErrorCode::kExists);
  EXPECT_EQ(contents_of(options.output).size(), 2u);
  options.force = true;
  compressed(options);
  std::map<std::string, std::string> forced = contents_of(options.output);
  EXPECT_EQ(forced.extract("notes.txt").mapped(), "mine");
  options = options_for(tiny);
  compressed(options);
  EXPECT_EQ(forced, contents_of(tiny.out())) << "the stale weights are gone";
  expect_refused(compress_checkpoint(options, {}), ErrorCode::kExists);

  options.output = options.output / "README.md";
  expect_refused(compress_checkpoint(options, {}), ErrorCode::kExists);
}

TEST(Compress, ACompressedCheckpoint) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny));
  CompressOptions options = options_for(tiny, "twice");
  options.model = tiny.out();
  const Error error = refusal(compress_checkpoint(options, {}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error.message(), "is part of a compressed checkpoint");
  EXPECT_FALSE(fs::exists(options.output));
}

TEST(Compress, BadArguments) {
  const TinyCheckpoint tiny;
  CompressOptions options = options_for(tiny);
  options.encode.tile_chunks = 33;
  expect_refused(compress_checkpoint(options, {}), ErrorCode::kInvalidArgument);
  options = options_for(tiny);
  options.codecs.clear();
  expect_refused(compress_checkpoint(options, {}), ErrorCode::kInvalidArgument);
  options.codecs = {tiny.model() / "config.json"};
  EXPECT_FALSE(compress_checkpoint(options, {}).ok());
  options.codecs = {tiny.model() / "absent"};
  expect_refused(compress_checkpoint(options, {}), ErrorCode::kNotFound);
  options = options_for(tiny);
  options.model = tiny.model() / "absent";
  expect_refused(compress_checkpoint(options, {}), ErrorCode::kNotFound);
  options = options_for(tiny);
  options.selection.include = {"("};
  expect_refused(compress_checkpoint(options, {}), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(tiny.out()));
}

}  // namespace
}  // namespace nwc
