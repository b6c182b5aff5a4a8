#include "codec/codec_file.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "nwcodec/version.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"
#include "support/tiny_codec.h"

namespace nwc {
namespace {

using testing::bytes_of;
using testing::raw;
using testing::SafetensorsBuilder;
using testing::TempDir;
using testing::text_of;

DecoderCodec sample_codec() { return testing::residual_codec().decoder; }

// Tensors as text, in a file made by the test's own builder.
struct File {
  std::vector<NamedTensor> tensors = decoder_tensors(sample_codec());
  std::string version = "1";

  NamedTensor& at(const std::string& name) {
    for (NamedTensor& tensor : tensors) {
      if (tensor.name == name) return tensor;
    }
    throw std::out_of_range(name);
  }
  void erase(const std::string& name) {
    std::erase_if(tensors, [&](const NamedTensor& tensor) { return tensor.name == name; });
  }
  std::string bytes() const {
    SafetensorsBuilder builder;
    if (!version.empty()) builder.metadata("nwcodec.format_version", version);
    for (const NamedTensor& tensor : tensors)
      builder.add(tensor.name, std::string(name_of(tensor.dtype)), tensor.shape, text_of(tensor.bytes));
    return builder.bytes();
  }
};

Result<DecoderCodec> read(const File& file) {
  const std::string bytes = file.bytes();
  const Result<SafetensorsFile> opened = SafetensorsFile::parse(bytes_of(bytes), "codec");
  if (!opened) return opened.error();
  return read_decoder_codec(*opened);
}

void expect_refused(const File& file, const std::string& tensor, ErrorCode code, const std::string& message = "") {
  const Result<DecoderCodec> result = read(file);
  ASSERT_FALSE(result.ok()) << tensor;
  EXPECT_EQ(result.error().code(), code) << result.error().to_string();
  EXPECT_EQ(result.error().file(), "codec");
  EXPECT_EQ(result.error().tensor(), tensor) << result.error().to_string();
  EXPECT_TRUE(message.empty() || result.error().message() == message) << result.error().to_string();
}

TEST(CodecFile, RoundTripThroughMemory) {
  const DecoderCodec codec = sample_codec();
  const Result<DecoderCodec> back = read(File());
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_EQ(back->chunk_length(), 16u);
  EXPECT_EQ(back->latents(), 5u);
  EXPECT_EQ(back->levels(), 2u);
  EXPECT_EQ(back->tables.centers, codec.tables.centers);
  EXPECT_EQ(back->tables.set, codec.tables.set);
  EXPECT_EQ(back->synthesis.in_weight, codec.synthesis.in_weight);
  EXPECT_EQ(back->synthesis.blocks[0].weight, codec.synthesis.blocks[0].weight);
  EXPECT_EQ(back->synthesis.embedding, codec.synthesis.embedding);
  EXPECT_EQ(back->synthesis.out_bias, codec.synthesis.out_bias);
}

TEST(CodecFile, RoundTripThroughAFile) {
  const TempDir dir;
  ASSERT_TRUE(
      write_tensors(dir / "codec.safetensors", decoder_tensors(sample_codec()), {{kVersionKey, "1"}, {"note", "x"}})
          .ok());
  const Result<SafetensorsFile> file = SafetensorsFile::open(dir / "codec.safetensors");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_EQ(file->metadata().at("note"), "x");
  const Result<DecoderCodec> back = read_decoder_codec(*file);
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_EQ(back->tables.set, sample_codec().tables.set);
}

TEST(CodecFile, LiteralTablesInTheFile) {
  DecoderCodec codec{testing::scaled_identity(1, {1.0f, 2.0f}),
                     {2, 1, {{-5, 3, {4000, 95, 1}}, {7, 0, {1, 4095}}}, {0.25f, -1.5f}}};
  std::map<std::string, NamedTensor> tensors;
  for (NamedTensor& tensor : decoder_tensors(codec)) tensors[tensor.name] = tensor;
  EXPECT_EQ(tensors.size(), 6u);
  EXPECT_EQ(text_of(tensors.at("tables.parameters").bytes), raw<int32_t>({-5, 2, 3, 7, 1, 0}));
  EXPECT_EQ(tensors.at("tables.parameters").shape, (std::vector<uint64_t>{2, 1, 3}));
  EXPECT_EQ(tensors.at("tables.parameters").dtype, DType::kI32);
  EXPECT_EQ(text_of(tensors.at("tables.centers").bytes), raw<float>({0.25f, -1.5f}));
  EXPECT_EQ(text_of(tensors.at("tables.frequencies").bytes), raw<uint16_t>({4000, 95, 1, 1, 4095}));
  EXPECT_EQ(tensors.at("tables.frequencies").dtype, DType::kU16);
  EXPECT_EQ(text_of(tensors.at("g_s.embedding").bytes), raw<uint16_t>({0x3C00, 0x4000}));
  EXPECT_EQ(tensors.at("g_s.embedding").dtype, DType::kF16);
}

TEST(CodecFile, NetworksMayBeBinary32Too) {
  File file;
  for (NamedTensor& tensor : file.tensors) {
    if (tensor.dtype != DType::kF16) continue;
    const std::vector<float> values = testing::floats_of(DType::kF16, tensor.bytes);
    tensor = plain_tensor(tensor.name, DType::kF32, tensor.shape, values);
  }
  const Result<DecoderCodec> back = read(file);
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_EQ(back->synthesis.out_weight, sample_codec().synthesis.out_weight);
}

TEST(CodecFile, TheVersionIsChecked) {
  File file;
  file.version = "";
  expect_refused(file, "", ErrorCode::kCorrupt, "has no nwcodec.format_version in its metadata");
  const std::string known = ", this program reads versions 1 to " + std::to_string(kFormatVersion);
  file.version = std::to_string(kFormatVersion + 1);
  expect_refused(file, "", ErrorCode::kUnsupported, "codec has format version " + file.version + known);
  file.version = "01";
  expect_refused(file, "", ErrorCode::kUnsupported);
  file.version = std::string(1000, '9');
  expect_refused(file, "", ErrorCode::kUnsupported, "codec has format version 99999999999999999999" + known);
}

TEST(CodecFile, EveryMissingTensorIsNamed) {
  for (const NamedTensor& tensor : File().tensors) {
    File file;
    file.erase(tensor.name);
    // Without blocks the network is a linear map, which has no input layer.
    expect_refused(file, tensor.name == "g_s.blocks.0.linear.weight" ? "g_s.in.weight" : tensor.name,
                   tensor.name == "g_s.blocks.0.linear.weight" ? ErrorCode::kCorrupt : ErrorCode::kNotFound);
  }
}

TEST(CodecFile, EveryWrongDtypeIsNamed) {
  for (const NamedTensor& tensor : File().tensors) {
    File file;
    NamedTensor& bad = file.at(tensor.name);
    const size_t size = bits_of(bad.dtype) / 8;
    bad.dtype = size == 2 ? DType::kI16 : DType::kU32;
    expect_refused(file, tensor.name, ErrorCode::kCorrupt);
  }
}

TEST(CodecFile, EveryWrongNumberOfDimensionsIsNamed) {
  for (const NamedTensor& tensor : File().tensors) {
    File file;
    file.at(tensor.name).shape.push_back(1);
    expect_refused(file, tensor.name, ErrorCode::kCorrupt);
  }
}

TEST(CodecFile, NumbersThatAreNotFiniteAreNamed) {
  for (const NamedTensor& tensor : File().tensors) {
    if (tensor.dtype != DType::kF16 && tensor.dtype != DType::kF32) continue;
    for (const bool infinite : {false, true}) {
      File file;
      NamedTensor& bad = file.at(tensor.name);
      if (tensor.dtype == DType::kF16) store_le<uint16_t>(bad.bytes.data(), infinite ? 0xFC00 : 0x7E00);
      if (tensor.dtype == DType::kF32)
        store_le<float>(bad.bytes.data() + bad.bytes.size() - 4,
                        infinite ? std::numeric_limits<float>::infinity() : std::nanf(""));
      expect_refused(file, tensor.name, ErrorCode::kCorrupt, "holds a number that is not finite");
    }
  }
}

TEST(CodecFile, TableParametersAreBounded) {
  const auto with = [](size_t number, int32_t value) {
    File file;
    store_le(file.at("tables.parameters").bytes.data() + 4 * number, value);
    return file;
  };
  const std::string range = "table 0 has a count or shift out of range";
  for (const int32_t count : {0, -1, 256, INT32_MAX, INT32_MIN})
    expect_refused(with(1, count), "tables.parameters", ErrorCode::kCorrupt, range);
  for (const int32_t shift : {-1, 16, INT32_MAX})
    expect_refused(with(2, shift), "tables.parameters", ErrorCode::kCorrupt, range);
  const std::string outside = "frequency table stands for integers outside -32767 to 32767";
  for (const int32_t minimum : {-32768, 32767, INT32_MAX, INT32_MIN})
    expect_refused(with(0, minimum), "tables.frequencies", ErrorCode::kCorrupt, outside);
  expect_refused(with(2, 15), "tables.frequencies", ErrorCode::kCorrupt, outside);
}

TEST(CodecFile, FrequenciesMustFitTheirTables) {
  File shorter;
  shorter.at("tables.frequencies").bytes.resize(shorter.at("tables.frequencies").bytes.size() - 2);
  --shorter.at("tables.frequencies").shape[0];
  expect_refused(shorter, "tables.frequencies", ErrorCode::kCorrupt, "is shorter than its tables");
  File longer;
  longer.at("tables.frequencies").bytes.resize(longer.at("tables.frequencies").bytes.size() + 2);
  ++longer.at("tables.frequencies").shape[0];
  expect_refused(longer, "tables.frequencies", ErrorCode::kCorrupt, "is longer than its tables");
  File zero;
  store_le<uint16_t>(zero.at("tables.frequencies").bytes.data(), 0);
  expect_refused(zero, "tables.frequencies", ErrorCode::kCorrupt, "frequency table has a frequency of 0");
  File sum;
  std::byte* first = sum.at("tables.frequencies").bytes.data();
  store_le<uint16_t>(first, static_cast<uint16_t>(load_le<uint16_t>(first) + 1));
  expect_refused(sum, "tables.frequencies", ErrorCode::kCorrupt,
                 "frequency table has frequencies that sum to 4097 instead of 4096");
  File empty;
  empty.at("tables.frequencies").bytes.clear();
  empty.at("tables.frequencies").shape[0] = 0;
  expect_refused(empty, "tables.frequencies", ErrorCode::kCorrupt, "is shorter than its tables");
}

TEST(CodecFile, TablesAndNetworkMustAgree) {
  // Tables of the same number of entries for 1 level of 10 latents instead of 2 of 5.
  File file;
  file.at("tables.parameters").shape = {1, 10, 3};
  file.at("tables.centers").shape = {1, 10};
  expect_refused(file, "tables.parameters", ErrorCode::kCorrupt, "has another number of levels or latents than g_s");
  File centers;
  centers.at("tables.centers").shape = {5, 2};
  expect_refused(centers, "tables.centers", ErrorCode::kCorrupt, "is not an F32 tensor of shape [levels, latents]");
  for (const std::vector<uint64_t>& shape : {std::vector<uint64_t>{0, 5, 3}, {2, 0, 3}, {9, 1, 3}, {1, 257, 3}}) {
    File many;
    NamedTensor& parameters = many.at("tables.parameters");
    parameters.shape = shape;
    parameters.bytes.assign(4 * shape[0] * shape[1] * shape[2], std::byte{0});
    expect_refused(many, "tables.parameters", ErrorCode::kCorrupt,
                   "declares more levels or latents than a codec may have, or none");
  }
}

}  // namespace
}  // namespace nwc
