#include "decode/weight_store.h"

#include <gtest/gtest.h>

#include <cmath>

#include "checkpoint/safetensors_writer.h"
#include "compress/compress.h"
#include "nwcodec/inspect.h"
#include "support/tiny_checkpoint.h"

namespace nwc {
namespace {

using testing::kShards;
using testing::TinyCheckpoint;

constexpr const char* kWeight = "model.layers.0.mlp.up_proj.weight";

// A compressed checkpoint whose first shard can be written anew, with sound checksums and index, from changed tensors.
class WeightStoreTest : public ::testing::Test {
 protected:
  WeightStoreTest() {
    CompressOptions options;
    options.model = tiny.model();
    options.output = tiny.out();
    options.codecs = {tiny.codec()};
    options.threads = 1;
    EXPECT_TRUE(compress_checkpoint(options, {}).ok());
    const Result<SafetensorsFile> file = SafetensorsFile::open(tiny.out() / kShards[0]);
    for (const TensorView& t : file->tensors()) {
      if (t.name != kChecksumTensorName)
        tensors.push_back({t.name, t.dtype, t.shape, {t.bytes.begin(), t.bytes.end()}});
    }
  }

  NamedTensor& at(const std::string& name) {
    for (NamedTensor& tensor : tensors) {
      if (tensor.name == name) return tensor;
    }
    throw std::out_of_range(name);
  }

  Result<WeightStore> reopened(bool checksums = true) {
    std::vector<PlannedTensor> plan;
    for (const NamedTensor& t : tensors) plan.push_back({t.name, t.dtype, t.shape});
    Result<SafetensorsWriter> writer =
        SafetensorsWriter::create(tiny.out() / kShards[0], plan, {}, {}, {.checksums = checksums});
    for (const NamedTensor& t : tensors) EXPECT_TRUE(writer->write(t.name, 0, t.bytes).ok());
    EXPECT_TRUE(writer->finish().ok());
    std::string entries;
    for (const char* shard : kShards) {
      const Result<SafetensorsFile> file = SafetensorsFile::open(tiny.out() / shard);
      for (const TensorView& t : file->tensors()) {
        if (t.name != kChecksumTensorName)
          entries += (entries.empty() ? "\"" : ",\"") + t.name + "\":\"" + shard + "\"";
      }
    }
    std::ofstream(tiny.out() / "model.safetensors.index.json")
        << "{\"metadata\":{},\"weight_map\":{" << entries << "}}";
    return WeightStore::open(tiny.out());
  }

  void expect_refused(const Result<WeightStore>& store, ErrorCode code, const std::string& tensor,
                      const std::string& message) {
    ASSERT_FALSE(store.ok());
    EXPECT_EQ(store.error().code(), code) << store.error().to_string();
    EXPECT_EQ(store.error().tensor(), tensor);
    EXPECT_EQ(store.error().message(), message);
    EXPECT_EQ(store.error().file(), (tiny.out() / kShards[0]).string());
  }

  TinyCheckpoint tiny;
  std::vector<NamedTensor> tensors;
};

TEST_F(WeightStoreTest, TiesStreamsScalesAndPlainTensors) {
  const Result<WeightStore> store = reopened();
  ASSERT_TRUE(store.ok()) << store.error().to_string();
  ASSERT_EQ(store->weights().size(), 7u);
  const StoredWeight& weight = store->weights().at(kWeight);
  EXPECT_EQ(weight.info.shape, (std::vector<uint64_t>{48, 70}));
  EXPECT_EQ(weight.info.dtype, DType::kF32);
  EXPECT_TRUE(weight.info.compressed);
  EXPECT_EQ(weight.stream->name, std::string(kWeight) + ".nwc_stream");
  EXPECT_EQ(weight.scales->name, std::string(kWeight) + ".nwc_scales");
  EXPECT_EQ(weight.levels, nullptr);
  EXPECT_EQ(store->weights().at("model.embed_tokens.weight").plain->name, "model.embed_tokens.weight");
  EXPECT_TRUE(store->open_stream(weight).ok());
  EXPECT_TRUE(store->verify_stream(weight).ok());
}

TEST_F(WeightStoreTest, ScalesWithoutAStream) {
  std::erase_if(tensors, [](const NamedTensor& t) { return t.name.ends_with(".nwc_stream"); });
  expect_refused(reopened(), ErrorCode::kMismatch, std::string(kWeight) + ".nwc_scales", "has no stream beside it");
}

TEST_F(WeightStoreTest, AStreamWithoutScales) {
  std::erase_if(tensors, [](const NamedTensor& t) { return t.name.ends_with(".nwc_scales"); });
  expect_refused(reopened(), ErrorCode::kNotFound, kWeight, "has a stream but no scales");
}

TEST_F(WeightStoreTest, PlainAndCompressedAtOnce) {
  tensors.push_back({kWeight, DType::kU8, {1}, {std::byte{1}}});
  expect_refused(reopened(), ErrorCode::kMismatch, kWeight, "stands in the checkpoint both plain and compressed");
}

TEST_F(WeightStoreTest, AWrongDtypeOfScalesOrLevels) {
  at(std::string(kWeight) + ".nwc_scales").dtype = DType::kBF16;
  expect_refused(reopened(), ErrorCode::kCorrupt, std::string(kWeight) + ".nwc_scales",
                 "has dtype BF16 instead of F16");
  at(std::string(kWeight) + ".nwc_scales").dtype = DType::kF16;
  tensors.push_back({std::string(kWeight) + ".nwc_levels", DType::kI8, {1}, {std::byte{}}});
  expect_refused(reopened(), ErrorCode::kCorrupt, std::string(kWeight) + ".nwc_levels", "has dtype I8 instead of U8");
}

TEST_F(WeightStoreTest, LevelsThatTheStreamDoesNotKnow) {
  tensors.push_back({std::string(kWeight) + ".nwc_levels", DType::kU8, {18}, std::vector<std::byte>(18)});
  const Result<WeightStore> store = reopened();
  ASSERT_TRUE(store.ok());
  const Result<TensorDecoder> decoder = store->open_stream(store->weights().at(kWeight));
  ASSERT_FALSE(decoder.ok());
  EXPECT_EQ(decoder.error().code(), ErrorCode::kMismatch);
  EXPECT_EQ(decoder.error().tensor(), kWeight);
}

TEST_F(WeightStoreTest, ABrokenStreamIsPlacedInItsFile) {
  at(std::string(kWeight) + ".nwc_stream").bytes[4] = std::byte{9};
  const Result<WeightStore> store = reopened();
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(store.error().tensor(), kWeight);
  const Result<SafetensorsFile> file = SafetensorsFile::open(tiny.out() / kShards[0]);
  EXPECT_EQ(store.error().offset(), file->find(std::string(kWeight) + ".nwc_stream")->file_offset + 4);
}

TEST_F(WeightStoreTest, ACompressedShardNeedsChecksums) {
  const Result<WeightStore> store = reopened(/*checksums=*/false);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().code(), ErrorCode::kNotFound);
}

TEST_F(WeightStoreTest, InAPlainCheckpointTheSuffixesMeanNothing) {
  const testing::TempDir plain;
  plain.add(
      "model.safetensors",
      testing::SafetensorsBuilder().add("x.nwc_scales", "U8", {1}, "a").add("x.nwc_levels", "U8", {1}, "b").bytes());
  const Result<WeightStore> store = WeightStore::open(plain.path());
  ASSERT_TRUE(store.ok()) << store.error().to_string();
  EXPECT_FALSE(store->is_compressed());
  EXPECT_EQ(store->weights().size(), 2u);
}

TEST(ConvertFloats, LiteralBits) {
  const auto convert = [](DType from, uint32_t bits, DType to) {
    std::vector<std::byte> in, out(bits_of(to) / 8);
    if (from == DType::kF32) append_le(in, bits);
    if (from != DType::kF32) append_le(in, static_cast<uint16_t>(bits));
    convert_floats(from, in, to, out);
    return out.size() == 4 ? load_le<uint32_t>(out.data()) : uint32_t{load_le<uint16_t>(out.data())};
  };
  const DType f32 = DType::kF32, f16 = DType::kF16, bf16 = DType::kBF16;
  EXPECT_EQ(convert(f32, 0x3F800000, f16), 0x3C00u);
  EXPECT_EQ(convert(f32, 0x3F800000, bf16), 0x3F80u);
  EXPECT_EQ(convert(f16, 0xBC00, f32), 0xBF800000u);
  EXPECT_EQ(convert(bf16, 0xBF80, f32), 0xBF800000u);
  EXPECT_EQ(convert(f16, 0x3E00, bf16), 0x3FC0u);
  EXPECT_EQ(convert(bf16, 0x3FC0, f16), 0x3E00u);
  EXPECT_EQ(convert(f32, 0x3F808000, bf16), 0x3F80u) << "half way, to even";
  EXPECT_EQ(convert(f32, 0x3F818000, bf16), 0x3F82u) << "half way, to even";
  EXPECT_EQ(convert(f32, 0x7F7FFFFF, bf16), 0x7F7Fu) << "saturates";
  EXPECT_EQ(convert(f32, 0xC7800000, f16), 0xFBFFu) << "saturates";
  EXPECT_EQ(convert(f32, 0x7F800000, f16), 0x7C00u) << "infinities stay";
  EXPECT_EQ(convert(bf16, 0x7FC1, f16) & 0x7C00, 0x7C00u) << "NaN stays NaN";
  EXPECT_NE(convert(bf16, 0x7FC1, f16) & 0x3FF, 0u);
  EXPECT_EQ(convert(bf16, 0x7FA1, bf16), 0x7FA1u) << "the same dtype keeps every bit";
}

}  // namespace
}  // namespace nwc
