// Checkpoints on their way to the compressed form, and what is refused before anything is written.
#include "compress/compress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "nwcodec/inspect.h"
#include "support/checkpoint_runs.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::compressed;
using testing::contents_of;
using testing::decompressed;
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

TEST(Compress, ATensorThatGarbageWouldRuinStaysPlain) {
  const TinyCheckpoint tiny;
  std::mt19937 random(3);
  std::vector<float> values = testing::random_values(48 * 70, 0.02, random);
  const testing::OwnedMatrix sound("", DType::kF32, {48, 70}, values);
  values[7 * 70 + 9] = 1e15f;
  const testing::OwnedMatrix ruined("", DType::kF32, {48, 70}, values);
  const auto shard_of = [](const std::string& name, const testing::OwnedMatrix& matrix) {
    return SafetensorsBuilder().add(name, "F32", {48, 70}, testing::text_of(matrix.bytes()));
  };
  const std::string first = "model.layers.0.mlp.up_proj.weight", second = "model.layers.1.mlp.up_proj.weight";
  tiny.write_shards(shard_of(first, ruined), shard_of(second, sound));
  const CompressReport report = compressed(options_for(tiny));
  ASSERT_EQ(report.tensors.size(), 1u);
  EXPECT_EQ(report.tensors[0].name, second);
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_TRUE(report.warnings[0].starts_with(first + " is stored uncompressed: weight [7, 9] is 1e+15 where most are "))
      << report.warnings[0];
  EXPECT_NE(report.warnings[0].find("; 70 of 70 columns would be lost beside it"), std::string::npos);
  const SafetensorsFile stored = open_file(tiny.out() / kShards[0]);
  ASSERT_NE(stored.find(first), nullptr);
  EXPECT_EQ(testing::text_of(stored.find(first)->bytes), testing::text_of(ruined.bytes()));

  // Where nothing else is left, the checkpoint is as it was, but there is no rate to hit.
  tiny.write_shards(shard_of(first, ruined), shard_of(second, ruined));
  CompressOptions options = options_for(tiny, "only");
  EXPECT_EQ(compressed(options).warnings.size(), 2u);
  decompressed({.input = tiny.out("only"), .output = tiny.out("plain"), .dtype = {}, .backend = nullptr, .threads = 1});
  EXPECT_EQ(testing::read_file(tiny.out("plain") / kShards[0]).find("nwc_stream"), std::string::npos);
  options.output = tiny.out("rate");
  options.bits = 4.0;
  const Error error = refusal(compress_checkpoint(options, {}), ErrorCode::kInvalidArgument);
  EXPECT_NE(error.message().find(second + " is stored uncompressed: weight [7, 9] is 1e+15"), std::string::npos);
}

TEST(Compress, DecompressingToANarrowerRangeIsCounted) {
  const TinyCheckpoint tiny;
  std::mt19937 random(3);
  const std::vector<float> large = testing::random_values(48 * 70, 1e8, random),
                           small = testing::random_values(48 * 70, 1e-10, random),
                           fitting = testing::random_values(40 * 20, 0.02, random);
  const auto bytes_of_matrix = [](const std::vector<float>& values) {
    return testing::text_of(testing::OwnedMatrix("", DType::kBF16, {1, values.size()}, values).bytes());
  };
  tiny.write_shards(SafetensorsBuilder()
                        .add("model.layers.0.mlp.gate_proj.weight", "BF16", {48, 70}, bytes_of_matrix(large))
                        .add("model.layers.0.mlp.up_proj.weight", "BF16", {48, 70}, bytes_of_matrix(small)),
                    SafetensorsBuilder()
                        .add("model.layers.1.mlp.up_proj.weight", "BF16", {40, 20}, bytes_of_matrix(fitting))
                        .add("model.norm.weight", "F32", {3}, testing::raw<float>({1.0f, 7e4f, -7e4f})));
  compressed(options_for(tiny));
  const auto to = [&](const std::string& name, std::optional<DType> dtype) {
    return decompressed(
        {.input = tiny.out(), .output = tiny.out(name), .dtype = dtype, .backend = nullptr, .threads = 1});
  };
  // What there is to count: the decoded weights, of which some are 0.
  to("wide", DType::kF32);
  const SafetensorsFile wide = open_file(tiny.out("wide") / kShards[0]);
  const auto count = [&](const std::string& name, const std::function<bool(float)>& is) {
    uint64_t n = 0;
    const std::span<const std::byte> bytes = wide.find(name)->bytes;
    for (size_t i = 0; i < bytes.size(); i += 4) n += is(load_le<float>(bytes.data() + i)) ? 1 : 0;
    return n;
  };
  const std::string gate = "model.layers.0.mlp.gate_proj.weight", up = "model.layers.0.mlp.up_proj.weight";
  const uint64_t beyond = count(gate, [](float v) { return std::abs(v) >= 65520; }),
                 below = count(up, [](float v) { return v != 0 && std::abs(v) <= 0x1p-25f; });
  EXPECT_GT(std::min(beyond, below), 1680u);
  const DecompressReport f16 = to("f16", DType::kF16);
  EXPECT_EQ(f16.saturated, beyond + 2);
  EXPECT_EQ(f16.flushed, below);
  EXPECT_EQ(std::set<std::string>(f16.warnings.begin(), f16.warnings.end()),
            (std::set<std::string>{
                gate + " does not fit F16: of 3360 weights " + std::to_string(beyond) +
                    " too large, cut to the largest number; --dtype BF16 or F32 holds them",
                up + " does not fit F16: of 3360 weights " + std::to_string(below) +
                    " too small, now 0; --dtype BF16 or F32 holds them",
                "model.norm.weight does not fit F16: of 3 weights 2 too large, cut to the largest number; --dtype BF16 "
                "or F32 holds them"}));
  const SafetensorsFile file = open_file(tiny.out("f16") / kShards[0]);
  for (const std::byte b : file.find("model.layers.0.mlp.up_proj.weight")->bytes)
    EXPECT_EQ(std::to_integer<int>(b) & 0x7F, 0);  // 0 or -0
  for (const std::optional<DType> dtype : {std::optional<DType>(), std::optional(DType::kF32)}) {
    const DecompressReport fits = to(dtype ? "f32" : "same", dtype);
    EXPECT_TRUE(fits.warnings.empty());
    EXPECT_EQ(fits.saturated + fits.flushed, 0u);
  }
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
