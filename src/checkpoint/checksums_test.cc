#include "checkpoint/checksums.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include "checkpoint/safetensors_writer.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

using testing::bytes_of;
using testing::raw;
using testing::read_file;
using testing::SafetensorsBuilder;
using testing::TempDir;
using testing::text_of;

// A file with a tensor before the checksums, an empty one, one after them and two streams.
std::string checked_file() {
  const TempDir dir;
  Result<SafetensorsWriter> writer = SafetensorsWriter::create(
      dir / "m", {{"a64", DType::kI64, {1}}, {"empty", DType::kF32, {0}}, {"z8", DType::kU8, {3}}}, {"none", "stream"},
      {}, {.checksums = true});
  if (!writer.ok() || !writer->write("z8", 0, bytes_of("ab")).ok() || !writer->write("z8", 2, bytes_of("c")).ok() ||
      !writer->append("stream", bytes_of("a")).ok() || !writer->write("a64", 0, bytes_of("12345678")).ok() ||
      !writer->finish().ok()) {
    throw std::runtime_error("cannot write the test's file");
  }
  return read_file(dir / "m");
}

TEST(Checksums, AreXxh3OfEveryTensorInFileOrderThenOfTheHeader) {
  const std::string bytes = checked_file();
  const Result<SafetensorsFile> file = SafetensorsFile::parse(bytes_of(bytes), "f");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  std::vector<std::string> names;
  for (const TensorView& tensor : file->tensors()) names.push_back(tensor.name);
  EXPECT_EQ(names, (std::vector<std::string>{"a64", "nwcodec.checksums", "empty", "z8", "none", "stream"}));
  const TensorView& checksums = *file->find("nwcodec.checksums");
  EXPECT_EQ(checksums.dtype, DType::kU64);
  EXPECT_EQ(checksums.shape, std::vector<uint64_t>{6});
  const std::string header = text_of(file->header_bytes());
  // Published values of XXH3-64 for "", "abc" and "a".
  EXPECT_EQ(text_of(checksums.bytes),
            raw<uint64_t>({XXH3_64bits("12345678", 8), 0x2D06800538D394C2, 0x78AF5F94892F3950, 0x2D06800538D394C2,
                           0xE6C632B61E964E1F, XXH3_64bits(header.data(), header.size())}));
}

TEST(Checksums, AcceptASoundFile) {
  const std::string bytes = checked_file();
  const Result<SafetensorsFile> file = SafetensorsFile::parse(bytes_of(bytes), "f");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  const Result<Checksums> checksums = Checksums::of(*file);
  ASSERT_TRUE(checksums.ok()) << checksums.error().to_string();
  for (const TensorView& tensor : file->tensors()) {
    const Status status = checksums->verify(tensor);
    EXPECT_TRUE(status.ok()) << status.error().to_string();
  }
}

TEST(Checksums, CatchEveryFlippedBitOfDataAndChecksums) {
  const std::string sound = checked_file();
  const Result<SafetensorsFile> original = SafetensorsFile::parse(bytes_of(sound), "f");
  ASSERT_TRUE(original.ok()) << original.error().to_string();
  for (size_t at = original->header_bytes().size(); at < sound.size(); ++at) {
    std::string bytes = sound;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    const Result<SafetensorsFile> file = SafetensorsFile::parse(bytes_of(bytes), "f");
    ASSERT_TRUE(file.ok()) << "damaged data leaves the layout intact";
    const Result<Checksums> checksums = Checksums::of(*file);
    int caught = checksums.ok() ? 0 : 1;
    if (checksums.ok()) {
      for (const TensorView& tensor : file->tensors()) {
        const Status status = checksums->verify(tensor);
        if (status.ok()) continue;
        ++caught;
        EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
        EXPECT_EQ(status.error().file(), "f");
        EXPECT_EQ(status.error().tensor(), tensor.name);
        EXPECT_EQ(status.error().offset(), tensor.file_offset);
      }
    }
    EXPECT_EQ(caught, 1) << "byte " << at;
  }
}

TEST(Checksums, MessageSaysWhichChecksumsDiffer) {
  std::string bytes = checked_file();
  ASSERT_EQ(bytes.back(), 'a');
  bytes.back() = 'b';
  const Result<SafetensorsFile> file = SafetensorsFile::parse(bytes_of(bytes), "f");
  ASSERT_TRUE(file.ok());
  const Result<Checksums> checksums = Checksums::of(*file);
  ASSERT_TRUE(checksums.ok()) << checksums.error().to_string();
  const Status status = checksums->verify(*file->find("stream"));
  ASSERT_FALSE(status.ok());
  const std::string message = status.error().to_string();
  EXPECT_EQ(message.rfind("f: tensor 'stream': byte " + std::to_string(bytes.size() - 1) + ": its checksum is ", 0), 0u)
      << message;
  EXPECT_NE(message.find(", not e6c632b61e964e1f as stored; the file is damaged: fetch or write it again"),
            std::string::npos)
      << message;
}

TEST(Checksums, CatchAChangedHeader) {
  // Still a sound safetensors file: a tensor's name, then the padding.
  std::string renamed = checked_file();
  renamed[renamed.find("stream")] = 'S';
  std::string padded = checked_file();
  const size_t header_size = SafetensorsFile::parse(bytes_of(padded), "f")->header_bytes().size();
  ASSERT_EQ(padded[header_size - 1], ' ');
  padded[header_size - 1] = '\n';
  for (const std::string& bytes : {renamed, padded}) {
    const Result<SafetensorsFile> file = SafetensorsFile::parse(bytes_of(bytes), "f");
    ASSERT_TRUE(file.ok()) << file.error().to_string();
    const Result<Checksums> checksums = Checksums::of(*file);
    ASSERT_FALSE(checksums.ok());
    EXPECT_EQ(checksums.error().code(), ErrorCode::kCorrupt);
    EXPECT_EQ(checksums.error().to_string().rfind("f: byte 0: the header's checksum is ", 0), 0u)
        << checksums.error().to_string();
  }
}

TEST(Checksums, SayThatAFileHasNone) {
  const std::string bytes = SafetensorsBuilder().add("a", "U8", {1}, "x").bytes();
  const Result<SafetensorsFile> file = SafetensorsFile::parse(bytes_of(bytes), "f");
  ASSERT_TRUE(file.ok());
  const Result<Checksums> checksums = Checksums::of(*file);
  ASSERT_FALSE(checksums.ok());
  EXPECT_EQ(checksums.error().code(), ErrorCode::kNotFound);
}

TEST(Checksums, RefuseAnotherDtypeOrShape) {
  struct Case {
    const char* dtype;
    std::vector<uint64_t> shape;
    const char* shown;
  };
  for (const Case& c : {Case{"I64", {2}, "I64 of shape [2]"}, Case{"U64", {1, 2}, "U64 of shape [1, 2]"},
                        Case{"U64", {3}, "U64 of shape [3]"}, Case{"U64", {1}, "U64 of shape [1]"}}) {
    const uint64_t size = c.shape.back() * 8;
    const std::string bytes = SafetensorsBuilder()
                                  .add("nwcodec.checksums", c.dtype, c.shape, std::string(size, '\0'))
                                  .add("a", "U8", {1}, "x")
                                  .bytes();
    const Result<SafetensorsFile> file = SafetensorsFile::parse(bytes_of(bytes), "f");
    ASSERT_TRUE(file.ok()) << file.error().to_string();
    const Result<Checksums> checksums = Checksums::of(*file);
    ASSERT_FALSE(checksums.ok());
    EXPECT_EQ(checksums.error().code(), ErrorCode::kCorrupt);
    EXPECT_EQ(checksums.error().message(),
              "is " + std::string(c.shown) + ", but a file of 2 tensors needs U64 of shape [2]");
  }
}

TEST(Checksums, RefuseATensorOfAnotherFile) {
  const std::string bytes = checked_file();
  const Result<SafetensorsFile> file = SafetensorsFile::parse(bytes_of(bytes), "f");
  ASSERT_TRUE(file.ok());
  const Result<Checksums> checksums = Checksums::of(*file);
  ASSERT_TRUE(checksums.ok()) << checksums.error().to_string();
  const Status status = checksums->verify({"stranger", DType::kU8, {0}, {}, 0});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace nwc
