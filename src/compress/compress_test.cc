// Whole checkpoints: compress, read, decompress, interrupt, resume.
#include "compress/compress.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <set>

#include "nwcodec/decompress.h"
#include "nwcodec/inspect.h"
#include "nwcodec/weights.h"
#include "support/tiny_checkpoint.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::contents_of;
using testing::kShards;
using testing::read_file;
using testing::SafetensorsBuilder;
using testing::TempDir;
using testing::TinyCheckpoint;

constexpr const char* kMarker = ".nwcodec-unfinished";
constexpr const char* kParts[] = {".nwcodec/part-00000.safetensors",
                                  ".nwcodec/part-00001.safetensors"};  // of layers.0 and layers.1
const std::set<std::string> kCompressed{"model.layers.0.mlp.up_proj.weight", "model.layers.1.mlp.up_proj.weight",
                                        "model.layers.1.self_attn.q_proj.weight"};

CompressOptions options_for(const TinyCheckpoint& tiny, const std::string& out = "out") {
  return {.model = tiny.model(),
          .output = tiny.out(out),
          .codecs = {tiny.codec()},
          .encode = {.tile_chunks = 64},
          .threads = 1};
}

CompressReport compressed(const CompressOptions& options) {
  Result<CompressReport> report = compress_checkpoint(options, {});
  if (!report) throw std::runtime_error(report.error().to_string());
  return *std::move(report);
}

DecompressReport decompressed(const DecompressOptions& options) {
  Result<DecompressReport> report = decompress_checkpoint(options, {});
  if (!report) throw std::runtime_error(report.error().to_string());
  return *std::move(report);
}

SafetensorsFile open_file(const fs::path& path) {
  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  if (!file) throw std::runtime_error(file.error().to_string());
  return *std::move(file);
}

template <class T>
Error refusal(const Result<T>& result, ErrorCode code) {
  EXPECT_FALSE(result.ok());
  if (result.ok()) return Error(ErrorCode::kInternal, "not refused");
  EXPECT_EQ(result.error().code(), code) << result.error().to_string();
  return result.error();
}

template <class T>
void expect_refused(const Result<T>& result, ErrorCode code) {
  (void)refusal(result, code);
}

// --- the way there

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
  EXPECT_EQ(report.tensors[0].statistics.weights, 3360u);
  EXPECT_EQ(report.tensors[0].stream_bytes, first.find("model.layers.0.mlp.up_proj.weight.nwc_stream")->bytes.size());
  EXPECT_EQ(report.tensors[0].side_bytes, 140u);
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

// --- and back

TEST(Decompress, GivesBackTheOriginalsShape) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny));
  const DecompressReport report = decompressed({.input = tiny.out(), .output = tiny.out("back"), .threads = 2});
  const std::map<std::string, std::string> before = contents_of(tiny.model()), back = contents_of(tiny.out("back"));
  std::set<std::string> names_before, names_back;
  for (const auto& [name, bytes] : before) names_before.insert(name);
  for (const auto& [name, bytes] : back) names_back.insert(name);
  EXPECT_EQ(names_back, names_before);
  EXPECT_EQ(back.at("config.json"), before.at("config.json"));
  EXPECT_EQ(back.at("README.md"), before.at("README.md"));
  EXPECT_TRUE(Checkpoint::open(tiny.out("back")).ok());
  EXPECT_TRUE(report.warnings.empty());
  for (const char* shard : kShards) {
    const SafetensorsFile original = open_file(tiny.model() / shard), restored = open_file(tiny.out("back") / shard);
    EXPECT_EQ(restored.metadata(), original.metadata());
    ASSERT_EQ(restored.tensors().size(), original.tensors().size());
    for (const TensorView& t : original.tensors()) {
      const TensorView* r = restored.find(t.name);
      ASSERT_NE(r, nullptr) << t.name;
      EXPECT_EQ(r->dtype, t.dtype);
      EXPECT_EQ(r->shape, t.shape);
      if (!kCompressed.contains(t.name)) {
        EXPECT_EQ(testing::text_of(r->bytes), testing::text_of(t.bytes)) << t.name;
        continue;
      }
      const std::vector<float> x = testing::floats_of(t.dtype, t.bytes), y = testing::floats_of(r->dtype, r->bytes);
      double error = 0, size = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        error += std::pow(x[i] - y[i], 2);
        size += std::pow(x[i], 2);
      }
      EXPECT_NEAR(error / size, 0.25 / 12, 0.003) << "a step of half a deviation";
    }
  }
}

TEST(Decompress, ToAnotherDtype) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny));
  decompressed({.input = tiny.out(), .output = tiny.out("same"), .threads = 1});
  decompressed({.input = tiny.out(), .output = tiny.out("bf16"), .dtype = DType::kBF16, .threads = 1});
  for (const char* shard : kShards) {
    const SafetensorsFile same = open_file(tiny.out("same") / shard), bf16 = open_file(tiny.out("bf16") / shard);
    for (const TensorView& t : same.tensors()) {
      const TensorView* b = bf16.find(t.name);
      if (!is_weight_dtype(t.dtype)) {
        EXPECT_EQ(b->dtype, t.dtype) << "integers stay";
        continue;
      }
      EXPECT_EQ(b->dtype, DType::kBF16);
      EXPECT_EQ(b->shape, t.shape);
      const std::vector<float> x = testing::floats_of(t.dtype, t.bytes), y = testing::floats_of(DType::kBF16, b->bytes);
      for (size_t i = 0; i < x.size(); ++i) {
        // Compressed ones round once, from binary32.
        EXPECT_TRUE(!std::isfinite(x[i]) || std::abs(y[i] - x[i]) <= std::abs(x[i]) * 0x1.2p-8) << t.name;
      }
    }
  }
  expect_refused(decompress_checkpoint({.input = tiny.out(), .output = tiny.out("i8"), .dtype = DType::kI8}, {}),
                 ErrorCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(tiny.out("i8")));
}

TEST(Decompress, RefusesAPlainCheckpoint) {
  const TinyCheckpoint tiny;
  expect_refused(decompress_checkpoint({.input = tiny.model(), .output = tiny.out()}, {}), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(tiny.out()));
}

TEST(Weights, ReadsACompressedCheckpointLikeItsDecompressedForm) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny));
  decompressed({.input = tiny.out(), .output = tiny.out("back"), .threads = 1});
  const Result<Weights> packed = Weights::open(tiny.out()), plain = Weights::open(tiny.out("back"));
  ASSERT_TRUE(packed.ok() && plain.ok());
  EXPECT_TRUE(packed->is_compressed());
  EXPECT_FALSE(plain->is_compressed());
  ASSERT_EQ(packed->list().size(), 7u);
  for (const WeightInfo& info : packed->list()) {
    EXPECT_EQ(info.compressed, kCompressed.contains(info.name));
    const WeightInfo* other = plain->find(info.name);
    ASSERT_NE(other, nullptr);
    EXPECT_EQ(other->dtype, info.dtype);
    EXPECT_EQ(other->shape, info.shape);
    std::vector<std::byte> a(info.elements() * bits_of(info.dtype) / 8), b(a.size());
    ASSERT_TRUE(packed->read(info.name, info.dtype, a, 2).ok());
    ASSERT_TRUE(plain->read(info.name, info.dtype, b).ok());
    EXPECT_EQ(a, b) << info.name;
  }
  std::vector<std::byte> small(4);
  expect_refused(packed->read("lm_head.weight", DType::kF32, small), ErrorCode::kInvalidArgument);
  expect_refused(packed->read("nobody", DType::kF32, small), ErrorCode::kNotFound);
  std::vector<std::byte> ids(12);
  expect_refused(packed->read("model.position_ids", DType::kF32, ids), ErrorCode::kUnsupported);
}

TEST(Inspect, CountsWhatIsOnDisk) {
  const TinyCheckpoint tiny;
  const CompressReport written = compressed(options_for(tiny));
  const Result<CheckpointReport> report = inspect_checkpoint(tiny.out(), true);
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  EXPECT_EQ(report->file_bytes, written.output_bytes);
  EXPECT_EQ(report->weights, 48u * 70 + 40 * 20 + 2 * 16 * 33);
  EXPECT_EQ(report->codec_bytes, fs::file_size(tiny.out() / "codec.safetensors"));
  EXPECT_EQ(report->plain_tensors, 4u);
  EXPECT_EQ(report->plain_parameters, 512u + 4 + 512 + 3);
  EXPECT_EQ(report->plain_bytes, 2048u + 8 + 1024 + 24);
  EXPECT_EQ(report->original_bytes, 2048u + 8 + 1024 + 24 + 48 * 70 * 4 + 40 * 20 * 2 + 2 * 16 * 33 * 2);
  uint64_t payload = 0, side = 0;
  for (size_t i = 0; i < 3; ++i) {
    payload += written.tensors[i].statistics.payload_bytes;
    side +=
        written.tensors[i].stream_bytes - written.tensors[i].statistics.payload_bytes + written.tensors[i].side_bytes;
  }
  EXPECT_EQ(report->payload_bytes, payload);
  EXPECT_EQ(report->side_bytes, side);
  EXPECT_DOUBLE_EQ(report->bits_per_weight(), 8.0 * static_cast<double>(payload + side + report->codec_bytes) /
                                                  static_cast<double>(report->weights));
  expect_refused(inspect_checkpoint(tiny.model(), false), ErrorCode::kInvalidArgument);
}

// --- refusals before anything is written

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

// --- interruptions

// Runs `operation` and stops it after its k-th report; returns the error.
template <class Operation>
std::optional<Error> interrupted_after(int k, const Operation& operation) {
  std::atomic<bool> stop = false;
  int reports = 0;
  const Progress progress{.report =
                              [&](uint64_t done, uint64_t total, const std::string&) {
                                EXPECT_LE(done, total);
                                if (++reports == k) stop = true;
                              },
                          .stop = &stop};
  const auto result = operation(progress);
  if (result.ok()) return std::nullopt;
  return result.error();
}

TEST(Resume, CompressionGoesOnToTheSameBytes) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny, "whole"));
  const std::map<std::string, std::string> whole = contents_of(tiny.out("whole"));
  int interrupted = 0, kept = 0;
  for (int k = 1; k <= 20; ++k) {
    const CompressOptions options = options_for(tiny, "k" + std::to_string(k));
    const std::optional<Error> error =
        interrupted_after(k, [&](const Progress& p) { return compress_checkpoint(options, p); });
    if (error) {
      ++interrupted;
      EXPECT_EQ(error->code(), ErrorCode::kInterrupted);
      if (fs::exists(options.output)) {
        EXPECT_TRUE(fs::exists(options.output / kMarker));
        EXPECT_TRUE(fs::exists(options.output / kParts[0]) || fs::exists(options.output / kShards[0]))
            << "nothing is kept before the first block";
        for (const auto& [name, bytes] : contents_of(options.output)) EXPECT_FALSE(name.ends_with(".partial")) << name;
        ++kept;
      }
      const Result<CompressReport> resumed = compress_checkpoint(options, {});
      ASSERT_TRUE(resumed.ok()) << resumed.error().to_string();
      EXPECT_LE(resumed->blocks_from_earlier_run, 2u);
    }
    EXPECT_EQ(contents_of(options.output), whole) << "stopped after report " << k;
  }
  EXPECT_GE(interrupted, 8);
  EXPECT_GE(kept, 1);
}

TEST(Resume, DecompressionGoesOnToTheSameBytes) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny, "packed"));
  decompressed({.input = tiny.out("packed"), .output = tiny.out("whole"), .threads = 1});
  const std::map<std::string, std::string> whole = contents_of(tiny.out("whole"));
  int kept = 0;
  for (int k = 1; k <= 8; ++k) {
    const DecompressOptions options{
        .input = tiny.out("packed"), .output = tiny.out("k" + std::to_string(k)), .threads = 1};
    const std::optional<Error> error =
        interrupted_after(k, [&](const Progress& p) { return decompress_checkpoint(options, p); });
    if (error) {
      EXPECT_EQ(error->code(), ErrorCode::kInterrupted);
      kept += fs::exists(options.output);
      decompressed(options);
    }
    EXPECT_EQ(contents_of(options.output), whole) << "stopped after report " << k;
  }
  EXPECT_GE(kept, 1);
}

// A run that was stopped in its second block.
class Unfinished : public ::testing::Test {
 protected:
  Unfinished() {
    compressed(options_for(tiny, "whole"));
    std::atomic<bool> stop = false;
    const Progress progress{
        .report = [&](uint64_t, uint64_t,
                      const std::string& what) { stop = what.find("layers.1") != std::string::npos; },
        .stop = &stop};
    const Result<CompressReport> report = compress_checkpoint(options_for(tiny), progress);
    EXPECT_TRUE(!report.ok() && report.error().code() == ErrorCode::kInterrupted);
    EXPECT_TRUE(fs::exists(tiny.out() / kParts[0]));
    EXPECT_FALSE(fs::exists(tiny.out() / kParts[1]));
    EXPECT_FALSE(fs::exists(tiny.out() / kShards[0]));
  }
  TinyCheckpoint tiny;
};

TEST_F(Unfinished, KeepsItsCompleteBlocks) {
  const CompressReport report = compressed(options_for(tiny));
  EXPECT_EQ(report.blocks_from_earlier_run, 1u);
  EXPECT_EQ(report.tensors.size(), 3u) << "those of the first run too";
  EXPECT_EQ(contents_of(tiny.out()), contents_of(tiny.out("whole")));
  EXPECT_FALSE(fs::exists(tiny.out() / kMarker));
}

TEST_F(Unfinished, ADamagedBlockIsCompressedAgain) {
  const std::string good = read_file(tiny.out() / kParts[0]);
  std::vector<std::string> damaged{good.substr(0, good.size() / 2), ""};
  for (const size_t at : {size_t{3}, size_t{40}, good.size() / 2, good.size() - 1}) {
    damaged.push_back(good);
    damaged.back()[at] = static_cast<char>(good[at] ^ 4);
  }
  for (size_t i = 0; i < damaged.size(); ++i) {
    const fs::path copy = tiny.out("copy" + std::to_string(i));
    fs::copy(tiny.out(), copy, fs::copy_options::recursive);
    std::ofstream(copy / kParts[0], std::ios::binary) << damaged[i];
    EXPECT_EQ(compressed(options_for(tiny, copy.filename())).blocks_from_earlier_run, 0u) << i;
    EXPECT_EQ(contents_of(copy), contents_of(tiny.out("whole"))) << i;
  }
}

// The parts of a run are of no use to another, even where somebody carried them over.
TEST_F(Unfinished, PartsOfAnotherRunAreNotTaken) {
  CompressOptions others = options_for(tiny, "others");
  others.encode.own_tables = false;
  std::atomic<bool> stop = false;
  const Progress progress{
      .report = [&](uint64_t, uint64_t, const std::string& what) { stop = what.find("layers.1") != std::string::npos; },
      .stop = &stop};
  EXPECT_FALSE(compress_checkpoint(others, progress).ok());
  fs::copy_file(tiny.out("others") / kParts[0], tiny.out() / kParts[0], fs::copy_options::overwrite_existing);
  EXPECT_EQ(compressed(options_for(tiny)).blocks_from_earlier_run, 0u);
  EXPECT_EQ(contents_of(tiny.out()), contents_of(tiny.out("whole")));
}

// Killed between the removal of the parts and that of the marker: the shards themselves say what is done.
TEST_F(Unfinished, AShardIsAsGoodAsItsParts) {
  const std::string marker = read_file(tiny.out() / kMarker);
  const auto unfinished_again = [&] { std::ofstream(tiny.out() / kMarker, std::ios::binary) << marker; };
  compressed(options_for(tiny));
  unfinished_again();
  const auto time = fs::last_write_time(tiny.out() / kShards[0]);
  EXPECT_EQ(compressed(options_for(tiny)).blocks_from_earlier_run, 2u);
  EXPECT_EQ(fs::last_write_time(tiny.out() / kShards[0]), time);
  EXPECT_EQ(contents_of(tiny.out()), contents_of(tiny.out("whole")));
  std::string bad = read_file(tiny.out() / kShards[0]);
  bad[bad.size() / 2] ^= 4;
  std::ofstream(tiny.out() / kShards[0], std::ios::binary) << bad;
  unfinished_again();
  EXPECT_EQ(compressed(options_for(tiny)).blocks_from_earlier_run, 1u) << "the second shard is whole";
  EXPECT_EQ(contents_of(tiny.out()), contents_of(tiny.out("whole")));
}

TEST_F(Unfinished, OtherOptionsOrInputsAreRefused) {
  const std::map<std::string, std::string> before = contents_of(tiny.out());
  std::vector<CompressOptions> others(5, options_for(tiny));
  others[0].encode.tile_chunks = 128;
  others[1].encode.own_tables = false;
  others[2].selection.exclude = {"x"};
  others[3].keep_nonfinite = true;
  others[4].encode.normalisation.gain = 2;
  const char* const differences[] = {
      "was started with tile chunks 64, this run has 128", "was started with own tables yes, this run has no",
      "was started without exclude 1, this run has x", "was started with keep-nonfinite no, this run has yes",
      "was started with gain 1, this run has 2"};
  for (size_t i = 0; i < others.size(); ++i) {
    const Error error = refusal(compress_checkpoint(others[i], {}), ErrorCode::kExists);
    EXPECT_EQ(error.message(), std::string("holds an unfinished run that ") + differences[i]);
  }
  ASSERT_TRUE(write_encoder_codec(tiny.codec(),
                                  [] {
                                    EncoderCodec codec = testing::linear_codec();
                                    codec.nmse[0] *= 2;
                                    return codec;
                                  }())
                  .ok());
  expect_refused(compress_checkpoint(options_for(tiny), {}), ErrorCode::kExists);
  EXPECT_EQ(contents_of(tiny.out()), before);
}

// model_type decides which tensors are stored transposed.
TEST_F(Unfinished, AnotherModelTypeIsRefused) {
  const std::map<std::string, std::string> before = contents_of(tiny.out());
  tiny.dir().add("config.json", "{\"model_type\": \"gpt2\", \"hidden_size\": 16}");
  EXPECT_EQ(refusal(compress_checkpoint(options_for(tiny), {}), ErrorCode::kExists).message(),
            "holds an unfinished run that was started with model_type llama, this run has gpt2");
  EXPECT_EQ(contents_of(tiny.out()), before);
}

// The header, the size and the time of the file stay the same.
TEST_F(Unfinished, OtherWeightsAreRefused) {
  for (const char* shard : kShards) {
    const fs::path path = tiny.model() / shard;
    const std::string good = read_file(path);
    const auto time = fs::last_write_time(path);
    std::string changed = good;
    changed[changed.size() - 7] ^= 1;
    std::ofstream(path, std::ios::binary) << changed;
    fs::last_write_time(path, time);
    const Error error = refusal(compress_checkpoint(options_for(tiny), {}), ErrorCode::kExists);
    EXPECT_NE(error.message().find(std::string("was started with weights ") + shard), std::string::npos)
        << error.message();
    std::ofstream(path, std::ios::binary) << good;
  }
  EXPECT_EQ(compressed(options_for(tiny)).blocks_from_earlier_run, 1u);
}

TEST_F(Unfinished, APartThatIsNotUsableSaysWhy) {
  std::string bad = read_file(tiny.out() / kParts[0]);
  bad[bad.size() / 2] ^= 4;
  std::ofstream(tiny.out() / kParts[0], std::ios::binary) << bad;
  const CompressReport report = compressed(options_for(tiny));
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_NE(report.warnings[0].find("part-00000.safetensors"), std::string::npos) << report.warnings[0];
  EXPECT_NE(report.warnings[0].find("its checksum is"), std::string::npos) << report.warnings[0];
}

TEST(Compress, TwoProcessesDoNotShareAnOutput) {
  const TinyCheckpoint tiny;
  const CompressOptions options = options_for(tiny);
  std::optional<Error> second;
  const Progress progress{.report = [&](uint64_t, uint64_t, const std::string&) {
    if (second) return;
    second = refusal(compress_checkpoint(options, {}), ErrorCode::kBusy);
  }};
  ASSERT_TRUE(compress_checkpoint(options, progress).ok()) << "the second one changed nothing";
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->message().starts_with("is being written by ")) << second->message();
  compressed(options_for(tiny, "alone"));
  EXPECT_EQ(contents_of(tiny.out()), contents_of(tiny.out("alone")));
}

TEST(Decompress, OtherContentsOfTheSameHeadersAreRefused) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny, "packed"));
  const DecompressOptions options{.input = tiny.out("packed"), .output = tiny.out("plain"), .threads = 1};
  std::atomic<bool> stop = false;
  const Progress progress{
      .report = [&](uint64_t, uint64_t, const std::string& what) { stop = what.find("layers.1") != std::string::npos; },
      .stop = &stop};
  expect_refused(decompress_checkpoint(options, progress), ErrorCode::kInterrupted);
  ASSERT_TRUE(fs::exists(options.output / kShards[0]));
  // Another head, which is stored as it is: the packed shard keeps its header and its size.
  const fs::path path = tiny.model() / kShards[1];
  std::string bytes = read_file(path);
  const uint64_t offset = open_file(path).find("lm_head.weight")->file_offset;
  bytes[offset] = static_cast<char>(bytes[offset] ^ 1);
  fs::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
  const std::string before(testing::text_of(open_file(tiny.out("packed") / kShards[1]).header_bytes()));
  fs::remove_all(tiny.out("packed"));
  compressed(options_for(tiny, "packed"));
  EXPECT_EQ(before, testing::text_of(open_file(tiny.out("packed") / kShards[1]).header_bytes()));
  const Error error = refusal(decompress_checkpoint(options, {}), ErrorCode::kExists);
  EXPECT_NE(error.message().find("was started with weights model-00002"), std::string::npos) << error.message();
}

TEST_F(Unfinished, ForceStartsAnew) {
  CompressOptions options = options_for(tiny);
  options.force = true;
  EXPECT_EQ(compressed(options).blocks_from_earlier_run, 0u);
  EXPECT_EQ(contents_of(tiny.out()), contents_of(tiny.out("whole")));
}

TEST_F(Unfinished, IsNoCheckpointYet) { EXPECT_FALSE(Weights::open(tiny.out()).ok()); }

// A disk that is full: files cannot grow past a limit.
TEST(Compress, AFullDiskLeavesNothingBehind) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny, "packed"));
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  for (const rlim_t limit : {rlim_t{0}, rlim_t{500}, rlim_t{3000}}) {
    rlimit small = old;
    small.rlim_cur = limit;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const Result<CompressReport> packed = compress_checkpoint(options_for(tiny), {});
    const Result<DecompressReport> plain =
        decompress_checkpoint({.input = tiny.out("packed"), .output = tiny.out("plain"), .threads = 1}, {});
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
    expect_refused(packed, ErrorCode::kIo);
    expect_refused(plain, ErrorCode::kIo);
    EXPECT_FALSE(fs::exists(tiny.out())) << limit;
    EXPECT_FALSE(fs::exists(tiny.out("plain"))) << limit;
  }
  std::signal(SIGXFSZ, old_handler);
  compressed(options_for(tiny));
  EXPECT_EQ(contents_of(tiny.out()), contents_of(tiny.out("packed")));
}

// --- damage

TEST(Damage, NoFlippedBitPasses) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny));
  decompressed({.input = tiny.out(), .output = tiny.out("back"), .threads = 1});
  const std::map<std::string, std::string> whole = contents_of(tiny.out("back"));
  fs::remove_all(tiny.out("back"));
  std::mt19937 random(5);
  for (const char* name : {kShards[0], kShards[1], "codec.safetensors"}) {
    const fs::path path = tiny.out() / name;
    const std::string good = read_file(path);
    for (int round = 0; round < 150; ++round) {
      const size_t at = round < 40 ? static_cast<size_t>(round) : random() % good.size();
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 1 << random() % 8);
      std::ofstream(path, std::ios::binary) << bad;
      const Result<CheckpointReport> report = inspect_checkpoint(tiny.out(), true);
      ASSERT_FALSE(report.ok()) << name << " byte " << at;
      EXPECT_FALSE(report.error().file().empty()) << report.error().to_string();
      // Tiles have checksums of their own; that the shard's checksum of a whole stream is damaged does not hurt
      // decoding.
      if (decompress_checkpoint({.input = tiny.out(), .output = tiny.out("back"), .threads = 1}, {}).ok()) {
        ASSERT_EQ(contents_of(tiny.out("back")), whole) << name << " byte " << at;
        ASSERT_EQ(report.error().code(), ErrorCode::kCorrupt);
      }
      fs::remove_all(tiny.out("back"));
    }
    std::ofstream(path, std::ios::binary) << good;
  }
  EXPECT_TRUE(inspect_checkpoint(tiny.out(), true).ok());
}

TEST(Damage, AnotherCodecIsRefused) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny));
  EncoderCodec other = testing::linear_codec();
  other.decoder.tables.centers[0] = 0.25f;
  ASSERT_TRUE(
      write_tensors(tiny.out() / "codec.safetensors", decoder_tensors(other.decoder), {{kVersionKey, "1"}}).ok());
  const Error by_config = refusal(inspect_checkpoint(tiny.out(), false), ErrorCode::kMismatch);
  EXPECT_TRUE(by_config.file().ends_with("config.json")) << by_config.to_string();
  fs::remove(tiny.out() / "config.json");
  const Error by_stream = refusal(inspect_checkpoint(tiny.out(), false), ErrorCode::kMismatch);
  EXPECT_EQ(by_stream.tensor(), "model.layers.0.mlp.up_proj.weight");
  fs::remove(tiny.out() / "codec.safetensors");
  expect_refused(Weights::open(tiny.out()), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace nwc
