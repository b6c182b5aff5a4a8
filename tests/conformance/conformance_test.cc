// Library, reference decoder, recorded hashes and encoder agree about every golden, bit for bit. ctest runs this once
// more for each instruction set, through NWCODEC_ISA.
#include <gtest/gtest.h>
#include <xxhash.h>

#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "conformance/golden_maker.h"
#include "conformance/reference_decoder.h"
#include "nwcodec/isa.h"
#include "nwcodec/weights.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::read_file;
using testing::TempDir;

const fs::path kGoldens = NWC_SOURCE_DIR "/tests/data/golden";
const std::vector<std::string> kNames = {"blocks",  "corrections", "delta",    "layers", "linear",  "lines",
                                         "minimal", "overflow",    "residual", "rows",   "sharded", "trellis"};
constexpr DType kWeightDTypes[] = {DType::kF32, DType::kF16, DType::kBF16};

std::string hash(const std::string& bytes) {
  char text[17];
  std::snprintf(text, sizeof text, "%016" PRIx64, XXH3_64bits(bytes.data(), bytes.size()));
  return text;
}

std::map<std::string, std::string> contents_of(const fs::path& directory) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file())
      contents[entry.path().lexically_relative(directory).string()] = read_file(entry.path());
  }
  return contents;
}

std::string read(const Weights& weights, const WeightInfo& info, DType dtype, int threads = 1) {
  std::string bytes(info.elements() * bits_of(dtype) / 8, '\xA5');
  const Status status = weights.read(info.name, dtype, std::as_writable_bytes(std::span(bytes)), threads);
  EXPECT_TRUE(status.ok()) << status.error().to_string();
  return bytes;
}

// Skipped where NWCODEC_ISA names an instruction set that this machine or build lacks; otherwise that one is in use.
class GoldenTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const Result<Isa> isa = isa_from_environment();
    if (!isa && isa.error().code() == ErrorCode::kUnsupported) GTEST_SKIP() << isa.error().to_string();
    ASSERT_TRUE(isa.ok()) << isa.error().to_string();
    ASSERT_EQ(current_isa(), *isa);
  }
  const fs::path directory = kGoldens / GetParam();
};

TEST_P(GoldenTest, LibraryAndReferenceDecoderAgreeBitForBit) {
  const Result<Weights> weights = Weights::open(directory);
  ASSERT_TRUE(weights.ok()) << weights.error().to_string();
  EXPECT_TRUE(weights->is_compressed());
  const std::map<std::string, reference::Tensor> wanted = reference::decode_checkpoint(directory);
  ASSERT_EQ(weights->list().size(), wanted.size());
  for (const WeightInfo& info : weights->list()) {
    ASSERT_TRUE(wanted.contains(info.name)) << info.name;
    const reference::Tensor& tensor = wanted.at(info.name);
    EXPECT_EQ(name_of(info.dtype), tensor.dtype) << info.name;
    EXPECT_EQ(info.shape, tensor.shape) << info.name;
    EXPECT_EQ(info.compressed, tensor.compressed) << info.name;
    EXPECT_EQ(read(*weights, info, info.dtype), tensor.bytes) << info.name;
    if (!info.compressed) continue;
    for (const DType dtype : kWeightDTypes) {
      const std::string bytes = reference::convert(tensor.values, std::string(name_of(dtype)));
      EXPECT_EQ(read(*weights, info, dtype), bytes) << info.name << " as " << name_of(dtype);
      EXPECT_EQ(read(*weights, info, dtype, 4), bytes) << info.name << " as " << name_of(dtype) << ", four threads";
    }
  }
}

TEST_P(GoldenTest, DecodesToTheRecordedHashes) {
  const nlohmann::json expected = nlohmann::json::parse(read_file(kGoldens / "expected.json")).at(GetParam());
  const Result<Weights> weights = Weights::open(directory);
  ASSERT_TRUE(weights.ok()) << weights.error().to_string();
  EXPECT_EQ(weights->list().size(), expected.size());
  for (const WeightInfo& info : weights->list()) {
    const nlohmann::json& entry = expected.at(info.name);
    EXPECT_EQ(name_of(info.dtype), entry.at("dtype").get<std::string>());
    EXPECT_EQ(info.shape, entry.at("shape").get<std::vector<uint64_t>>());
    if (!info.compressed) {
      EXPECT_EQ(hash(read(*weights, info, info.dtype)), entry.at("bytes").get<std::string>()) << info.name;
      continue;
    }
    for (const DType dtype : kWeightDTypes) {
      EXPECT_EQ(hash(read(*weights, info, dtype)), entry.at(std::string(name_of(dtype))).get<std::string>())
          << info.name << " as " << name_of(dtype);
    }
  }
}

TEST_P(GoldenTest, EncodingAgainGivesTheSameBytes) {
  static const TempDir again;  // all goldens at once, for all parameters
  static const auto summaries = testing::make_goldens(kGoldens / "codecs", again.path());
  const std::map<std::string, std::string> made = contents_of(again / GetParam()), committed = contents_of(directory);
  ASSERT_EQ(made.size(), committed.size());
  for (const auto& [name, bytes] : committed) {
    ASSERT_TRUE(made.contains(name)) << name;
    EXPECT_TRUE(made.at(name) == bytes) << name << " comes out differently: has the encoder, or the format, changed?";
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, GoldenTest, ::testing::ValuesIn(kNames), [](const auto& info) { return info.param; });

TEST(Goldens, EveryOneIsTested) {
  std::set<std::string> directories;
  for (const auto& entry : fs::directory_iterator(kGoldens)) {
    if (entry.is_directory()) directories.insert(entry.path().filename().string());
  }
  std::set<std::string> names(kNames.begin(), kNames.end());
  names.insert("codecs");
  EXPECT_EQ(directories, names);
  const nlohmann::json expected = nlohmann::json::parse(read_file(kGoldens / "expected.json"));
  EXPECT_EQ(expected.size(), kNames.size());
}

// A golden that no longer holds what it is there for would pass all other tests.
TEST(Goldens, ExerciseWhatTheyAreThereFor) {
  const TempDir output;
  std::map<std::string, testing::GoldenSummary> made;
  for (const testing::GoldenSummary& golden : testing::make_goldens(kGoldens / "codecs", output.path()))
    made[golden.name] = golden;
  ASSERT_EQ(made.size(), kNames.size());
  EXPECT_EQ(made["linear"].compressed, 6u);
  EXPECT_EQ(made["linear"].plain, 5u);
  EXPECT_EQ(made["linear"].tiles, 12u);
  EXPECT_EQ(made["linear"].short_tiles, 6u);
  EXPECT_EQ(made["linear"].escapes, 378u);
  EXPECT_EQ(made["linear"].with_own_tables, 0u);
  EXPECT_EQ(made["residual"].with_own_tables, 1u);
  EXPECT_EQ(made["residual"].with_levels, 2u);
  EXPECT_EQ(made["residual"].batches, 2u);
  EXPECT_EQ(made["residual"].empty, 3u);
  EXPECT_EQ(made["residual"].patches, 152u);
  EXPECT_EQ(made["sharded"].transposed, 3u);
  EXPECT_EQ(made["sharded"].with_levels, 2u);
  EXPECT_EQ(made["blocks"].with_levels, 3u);
  EXPECT_GT(made["blocks"].shifted_own_tables, 0u);
  EXPECT_EQ(made["minimal"].escapes, 303u);
  EXPECT_EQ(made["lines"].with_lines, 7u);
  EXPECT_EQ(made["lines"].with_own_tables, 1u);
  EXPECT_EQ(made["lines"].with_levels, 1u);
  EXPECT_GT(made["lines"].escapes, 0u);
  EXPECT_EQ(made["trellis"].with_lines, 5u);
  EXPECT_EQ(made["corrections"].with_lines, 5u);
  EXPECT_GT(made["trellis"].escapes, 0u);
  EXPECT_EQ(made["overflow"].patches, 84u);
  EXPECT_EQ(made["layers"].compressed, 10u);
  EXPECT_EQ(made["layers"].with_lines, 7u);
  EXPECT_EQ(made["layers"].with_own_tables, 1u);
  EXPECT_EQ(made["layers"].with_levels, 2u);
  EXPECT_GT(made["layers"].patches, 0u);
  EXPECT_EQ(made["delta"].compressed, 4u);
}

// The comparison above would be vain if both sides were zeros.
TEST(Goldens, DecodeToSomethingLikeTheOriginal) {
  const std::map<std::string, reference::Tensor> linear = reference::decode_checkpoint(kGoldens / "linear");
  const reference::Tensor& tensor = linear.at("f32.weight");
  ASSERT_EQ(tensor.values.size(), 48u * 22u);
  double squares = 0;
  for (size_t r = 0; r < 48; ++r) {
    EXPECT_EQ(tensor.values[r * 22], 0.0f);
    EXPECT_NEAR(tensor.values[r * 22 + 2], -0.375f, 0.04f) << r;
    EXPECT_NEAR(tensor.values[r * 22 + 5], r == 3 ? 1.0f : 0.0f, 0.04f) << r;
    squares += static_cast<double>(tensor.values[r * 22 + 1]) * tensor.values[r * 22 + 1];
  }
  EXPECT_NEAR(std::sqrt(squares / 48), 0.02, 0.005);
}

TEST(ReferenceDecoder, LiteralConversions) {
  const auto bits = [](float value, const char* dtype) {
    const std::string bytes = reference::convert({value}, dtype);
    uint32_t result = 0;
    for (size_t i = bytes.size(); i-- > 0;) result = result << 8 | static_cast<unsigned char>(bytes[i]);
    return result;
  };
  EXPECT_EQ(bits(1.0f, "F32"), 0x3F800000u);
  EXPECT_EQ(bits(-INFINITY, "F32"), 0xFF7FFFFFu);
  EXPECT_EQ(bits(1.0f, "F16"), 0x3C00u);
  EXPECT_EQ(bits(-1.0f, "BF16"), 0xBF80u);
  EXPECT_EQ(bits(0x1p-24f, "F16"), 0x0001u);
  EXPECT_EQ(bits(0x1p-25f, "F16"), 0x0000u) << "half way, to even";
  EXPECT_EQ(bits(0x1.8p-24f, "F16"), 0x0002u) << "half way, to even";
  EXPECT_EQ(bits(0x1.ffcp-15f, "F16"), 0x0400u) << "the carry makes it normal";
  EXPECT_EQ(bits(65519.0f, "F16"), 0x7BFFu);
  EXPECT_EQ(bits(65520.0f, "F16"), 0x7BFFu) << "saturates";
  EXPECT_EQ(bits(-3.4e38f, "BF16"), 0xFF7Fu) << "saturates";
  EXPECT_EQ(bits(-0.0f, "BF16"), 0x8000u);
}

}  // namespace
}  // namespace nwc
