// Flipped bits and files cut short, as bad disks and broken downloads make them: the library must notice, and never
// give out other weights. Links the decode library alone; meant for sanitizers too.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <random>
#include <tuple>

#include "base/bytes.h"
#include "checkpoint/checksums.h"
#include "decode/tensor_decoder.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/weights.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::TempDir;

const fs::path kGoldens = NWC_SOURCE_DIR "/tests/data/golden";

// Every tensor: dtype, shape and bytes by name.
using Everything = std::map<std::string, std::tuple<DType, std::vector<uint64_t>, std::string>>;

Result<Everything> read_all(const fs::path& directory) {
  Everything tensors;
  NWC_ASSIGN_OR_RETURN(const Weights weights, Weights::open(directory));
  for (const WeightInfo& info : weights.list()) {
    std::string bytes(info.elements() * bits_of(info.dtype) / 8, '\0');
    NWC_RETURN_IF_ERROR(weights.read(info.name, info.dtype, std::as_writable_bytes(std::span(bytes))));
    tensors[info.name] = {info.dtype, info.shape, std::move(bytes)};
  }
  return tensors;
}

// A golden of one shard in a place where it may be damaged.
class DamageTest : public ::testing::Test {
 protected:
  DamageTest() {
    for (const auto& entry : fs::directory_iterator(kGoldens / "linear"))
      fs::copy_file(entry.path(), directory / entry.path().filename());
    Result<Everything> read = read_all(directory.path());
    EXPECT_TRUE(read.ok()) << read.error().to_string();
    if (read.ok()) whole = *std::move(read);
  }

  void overwrite(const fs::path& file, uint64_t at, unsigned char byte) const {
    const int fd = ::open(file.c_str(), O_WRONLY);
    ASSERT_EQ(::pwrite(fd, &byte, 1, static_cast<off_t>(at)), 1);
    ::close(fd);
  }

  const TempDir directory;
  Everything whole;
};

TEST_F(DamageTest, NoFlippedBitGoesUnnoticed) {
  // Decoding does not compare a stream with its entry in nwcodec.checksums, because header and tiles have checksums of
  // their own; a flip in that entry harms nobody.
  std::vector<bool> harmless;
  {
    const Result<SafetensorsFile> file = SafetensorsFile::open(directory / "model.safetensors");
    ASSERT_TRUE(file.ok());
    const uint64_t sums = file->find(std::string(kChecksumTensorName))->file_offset;
    harmless.resize(fs::file_size(directory / "model.safetensors"));
    uint64_t entry = 0;
    for (const TensorView& tensor : file->tensors()) {
      if (tensor.name == kChecksumTensorName) continue;
      for (uint64_t i = 0; i < 8; ++i) harmless[sums + 8 * entry + i] = tensor.name.ends_with(".nwc_stream");
      ++entry;
    }
  }
  const std::string files[] = {"model.safetensors", "codec.safetensors"};
  const std::string bytes[] = {testing::read_file(directory / files[0]), testing::read_file(directory / files[1])};
  std::mt19937 random(20);
  int refused = 0, unchanged = 0;
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t at = random() % (bytes[0].size() + bytes[1].size());
    const int f = at < bytes[0].size() ? 0 : 1;
    const uint64_t offset = f == 0 ? at : at - bytes[0].size();
    const unsigned char before = static_cast<unsigned char>(bytes[f][offset]);
    overwrite(directory / files[f], offset, static_cast<unsigned char>(before ^ 1u << random() % 8));
    const Result<Everything> read = read_all(directory.path());
    overwrite(directory / files[f], offset, before);
    if (!read.ok()) {
      ++refused;
      ASSERT_FALSE(read.error().message().empty());
      continue;
    }
    ++unchanged;
    ASSERT_TRUE(*read == whole) << "other weights from a flip in byte " << offset << " of " << files[f];
    ASSERT_TRUE(f == 0 && harmless[offset]) << "a flip in byte " << offset << " of " << files[f] << " went unnoticed";
  }
  std::printf("%d flips refused, %d in checksums of streams, which decoding does not need\n", refused, unchanged);
  EXPECT_GT(unchanged, 0);
  EXPECT_EQ(refused + unchanged, 10'000);
  EXPECT_TRUE(read_all(directory.path()).ok()) << "the test must leave the files as they were";
}

TEST_F(DamageTest, NoFileIsReadThatWasCutShort) {
  for (const char* file : {"model.safetensors", "codec.safetensors"}) {
    const fs::path path = directory / file;
    const std::string bytes = testing::read_file(path);
    for (uint64_t size = bytes.size(); size-- > 0;) {
      fs::resize_file(path, size);
      ASSERT_FALSE(read_all(directory.path()).ok()) << file << " of " << size << " bytes";
    }
    directory.add(file, bytes);
  }
  EXPECT_TRUE(read_all(directory.path()).ok());
}

TEST_F(DamageTest, NoPrefixOfAStreamDecodes) {
  const Result<Codec> codec = Codec::open(directory / "codec.safetensors");
  ASSERT_TRUE(codec.ok());
  const Result<SafetensorsFile> file = SafetensorsFile::open(directory / "model.safetensors");
  ASSERT_TRUE(file.ok());
  for (const std::string name : {"f32.weight", "ragged.weight", "one.weight", "escapes.weight"}) {
    const std::span<const std::byte> stream = file->find(name + ".nwc_stream")->bytes,
                                     scales = file->find(name + ".nwc_scales")->bytes;
    for (size_t size = 0; size < stream.size(); ++size) {
      const std::vector<std::byte> prefix(
          stream.begin(), stream.begin() + static_cast<ptrdiff_t>(size));  // its own, so that sanitizers see its end
      ASSERT_FALSE(TensorDecoder::open(name, prefix, scales, {}, *codec).ok()) << name << ", " << size << " bytes";
    }
    EXPECT_TRUE(TensorDecoder::open(name, stream, scales, {}, *codec).ok());
  }
}

}  // namespace
}  // namespace nwc
