// Compressed checkpoints read back: decompression, single weights, inspection.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "nwcodec/inspect.h"
#include "nwcodec/weights.h"
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
using testing::TinyCheckpoint;

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
    payload += written.tensors[i].payload_bytes;
    side += written.tensors[i].side_bytes;
  }
  EXPECT_EQ(report->payload_bytes, payload);
  EXPECT_EQ(report->side_bytes, side);
  EXPECT_DOUBLE_EQ(report->bits_per_weight(), 8.0 * static_cast<double>(payload + side + report->codec_bytes) /
                                                  static_cast<double>(report->weights));
  expect_refused(inspect_checkpoint(tiny.model(), false), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace nwc
