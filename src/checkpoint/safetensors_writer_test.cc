#include "checkpoint/safetensors_writer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include "nwcodec/checkpoint.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

using testing::bytes_of;
using testing::raw;
using testing::read_file;
using testing::safetensors_bytes;
using testing::TempDir;
using testing::text_of;

using Metadata = std::map<std::string, std::string>;

SafetensorsWriter make_writer(const std::filesystem::path& path, std::vector<PlannedTensor> fixed,
                              std::vector<std::string> growing = {}, Metadata metadata = {}, bool checksums = false) {
  Result<SafetensorsWriter> writer = SafetensorsWriter::create(path, std::move(fixed), std::move(growing),
                                                               std::move(metadata), {.checksums = checksums});
  if (!writer.ok()) throw std::runtime_error(writer.error().to_string());
  return *std::move(writer);
}

void expect_ok(const Status& status) { EXPECT_TRUE(status.ok()) << status.error().to_string(); }

void expect_refused(const Status& status, ErrorCode code, const std::string& tensor, const std::string& message) {
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), code);
  EXPECT_EQ(status.error().tensor(), tensor);
  EXPECT_EQ(status.error().message(), message);
  EXPECT_FALSE(status.error().file().empty());
}

TEST(SafetensorsWriter, LaysTensorsOutByElementSizeThenName) {
  const TempDir dir;
  const auto path = dir / "m.safetensors";
  SafetensorsWriter writer = make_writer(
      path, {{"b8", DType::kU8, {3}}, {"z32", DType::kF32, {1}}, {"a16", DType::kBF16, {1}}, {"a32", DType::kF32, {}}},
      {}, {{"producer", "nwcodec"}});
  expect_ok(writer.write("b8", 0, bytes_of("888")));
  expect_ok(writer.write("a16", 0, bytes_of("16")));
  expect_ok(writer.write("z32", 0, bytes_of("zzzz")));
  expect_ok(writer.write("a32", 0, bytes_of("aaaa")));
  EXPECT_EQ(writer.data_bytes(), 13u);
  expect_ok(writer.finish());

  std::string header = R"({"__metadata__":{"format":"pt","producer":"nwcodec"},)"
                       R"("a32":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                       R"("z32":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},)"
                       R"("a16":{"dtype":"BF16","shape":[1],"data_offsets":[8,10]},)"
                       R"("b8":{"dtype":"U8","shape":[3],"data_offsets":[10,13]}})";
  while (header.size() % 8 != 0) header += ' ';
  EXPECT_EQ(read_file(path), safetensors_bytes(header, "aaaazzzz16888"));
}

TEST(SafetensorsWriter, AFileOfNoTensorsIsSound) {
  const TempDir dir;
  SafetensorsWriter writer = make_writer(dir / "m.safetensors", {});
  expect_ok(writer.finish());
  EXPECT_EQ(read_file(dir / "m.safetensors"), safetensors_bytes(R"({"__metadata__":{"format":"pt"}})"));
}

TEST(SafetensorsWriter, FormatIsPtUnlessGiven) {
  const TempDir dir;
  SafetensorsWriter writer = make_writer(dir / "m.safetensors", {}, {}, {{"format", "mlx"}, {"a", "b"}});
  expect_ok(writer.finish());
  const Result<SafetensorsFile> file = SafetensorsFile::open(dir / "m.safetensors");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_EQ(file->metadata(), (Metadata{{"a", "b"}, {"format", "mlx"}}));
}

TEST(SafetensorsWriter, RoundTripsEveryKindOfTensor) {
  const TempDir dir;
  const auto path = dir / "m.safetensors";
  SafetensorsWriter writer = make_writer(path,
                                         {{"scalar", DType::kF64, {}},
                                          {"empty32", DType::kF32, {4, 0}},
                                          {"odd", DType::kU8, {3, 1, 5}},
                                          {"four bits", DType::kF4, {3, 2}},
                                          {"six bits", DType::kF6E3M2, {4}},
                                          {"empty4", DType::kF4, {0}},
                                          {"bool", DType::kBool, {1}},
                                          {"complex", DType::kC64, {1}},
                                          {"quoted \"\\\n\xC3\xBC", DType::kI16, {1}}},
                                         {"stream.1", "stream.empty", "stream.2"}, {{"k\"", "v\n"}});
  expect_ok(writer.append("stream.1", bytes_of("one")));
  expect_ok(writer.write("scalar", 0, bytes_of(raw<double>({1.5}))));
  expect_ok(writer.append("stream.1", bytes_of("")));
  expect_ok(writer.append("stream.1", bytes_of(", and more")));
  expect_ok(writer.append("stream.2", bytes_of("two")));
  expect_ok(writer.write("odd", 0, bytes_of("0123456")));
  expect_ok(writer.write("six bits", 0, bytes_of("abc")));
  expect_ok(writer.write("odd", 7, bytes_of("")));
  expect_ok(writer.write("odd", 7, bytes_of("789abcde")));
  expect_ok(writer.write("four bits", 0, bytes_of("xyz")));
  expect_ok(writer.write("empty32", 0, bytes_of("")));
  expect_ok(writer.write("bool", 0, bytes_of("\1")));
  expect_ok(writer.write("complex", 0, bytes_of("realimag")));
  expect_ok(writer.write("quoted \"\\\n\xC3\xBC", 0, bytes_of("hi")));
  EXPECT_EQ(writer.data_bytes(), 56u);
  expect_ok(writer.finish());
  EXPECT_EQ(dir.files(), std::set<std::string>{"m.safetensors"});

  const Result<SafetensorsFile> file = SafetensorsFile::open(path);
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  struct Expected {
    const char* name;
    DType dtype;
    std::vector<uint64_t> shape;
    std::string data;
  };
  const std::vector<Expected> expected = {
      {"complex", DType::kC64, {1}, "realimag"}, {"scalar", DType::kF64, {}, raw<double>({1.5})},
      {"empty32", DType::kF32, {4, 0}, ""},      {"quoted \"\\\n\xC3\xBC", DType::kI16, {1}, "hi"},
      {"bool", DType::kBool, {1}, "\1"},         {"odd", DType::kU8, {3, 1, 5}, "0123456789abcde"},
      {"six bits", DType::kF6E3M2, {4}, "abc"},  {"empty4", DType::kF4, {0}, ""},
      {"four bits", DType::kF4, {3, 2}, "xyz"},  {"stream.1", DType::kU8, {13}, "one, and more"},
      {"stream.empty", DType::kU8, {0}, ""},     {"stream.2", DType::kU8, {3}, "two"}};
  ASSERT_EQ(file->tensors().size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const TensorView& tensor = file->tensors()[i];
    EXPECT_EQ(tensor.name, expected[i].name);
    EXPECT_EQ(tensor.dtype, expected[i].dtype) << tensor.name;
    EXPECT_EQ(tensor.shape, expected[i].shape) << tensor.name;
    EXPECT_EQ(text_of(tensor.bytes), expected[i].data) << tensor.name;
  }
  EXPECT_EQ(file->header_bytes().size() % 8, 0u);
  EXPECT_EQ(file->metadata(), (Metadata{{"format", "pt"}, {"k\"", "v\n"}}));
}

TEST(SafetensorsWriter, HeaderIsTrueAfterItsReservedRoomIsFilled) {
  const TempDir dir;
  SafetensorsWriter writer = make_writer(dir / "m.safetensors", {}, {"s"});
  expect_ok(writer.append("s", bytes_of("0123456789")));
  expect_ok(writer.finish());
  // Room for three numbers of 19 digits: 57 + the rest of the text, 8 at a time.
  const std::string text = R"({"__metadata__":{"format":"pt"},"s":{"dtype":"U8","shape":[10],"data_offsets":[0,10]}})";
  std::string header = text;
  header.resize((text.size() + (19 - 2) + (19 - 1) + (19 - 2) + 7) / 8 * 8, ' ');
  EXPECT_EQ(read_file(dir / "m.safetensors"), safetensors_bytes(header, "0123456789"));
}

TEST(SafetensorsWriter, BytesDoNotDependOnTheOrderOfCallsOrTheChunking) {
  const TempDir dir;
  const std::vector<PlannedTensor> fixed = {{"a", DType::kF32, {2}}, {"b", DType::kU8, {5}}};
  const std::vector<PlannedTensor> fixed_reversed = {fixed[1], fixed[0]};
  const std::vector<std::string> growing = {"s", "t"};

  SafetensorsWriter one = make_writer(dir / "1", fixed, growing, {{"x", "1"}, {"y", "2"}}, true);
  expect_ok(one.write("a", 0, bytes_of("aaaaAAAA")));
  expect_ok(one.write("b", 0, bytes_of("bbbbb")));
  expect_ok(one.append("s", bytes_of("ssss")));
  expect_ok(one.append("t", bytes_of("tt")));
  expect_ok(one.finish());

  SafetensorsWriter two = make_writer(dir / "2", fixed_reversed, growing, {{"y", "2"}, {"x", "1"}}, true);
  expect_ok(two.append("s", bytes_of("s")));
  expect_ok(two.write("b", 0, bytes_of("bb")));
  expect_ok(two.append("s", bytes_of("sss")));
  expect_ok(two.append("t", bytes_of("t")));
  for (int i = 0; i < 8; ++i) expect_ok(two.write("a", i, bytes_of(i < 4 ? "a" : "A")));
  expect_ok(two.append("t", bytes_of("t")));
  expect_ok(two.write("b", 2, bytes_of("bbb")));
  expect_ok(two.finish());
  EXPECT_EQ(read_file(dir / "1"), read_file(dir / "2"));
}

// --- the file appears whole or not at all

TEST(SafetensorsWriter, NothingStandsUnderTheNameBeforeFinish) {
  const TempDir dir;
  const auto path = dir / "m.safetensors";
  SafetensorsWriter writer = make_writer(path, {{"a", DType::kU8, {1}}});
  expect_ok(writer.write("a", 0, bytes_of("x")));
  EXPECT_FALSE(std::filesystem::exists(path));
  expect_ok(writer.finish());
  EXPECT_EQ(dir.files(), std::set<std::string>{"m.safetensors"});
}

TEST(SafetensorsWriter, AnAbandonedFileLeavesNoTraceAndTheOldOneStays) {
  const TempDir dir;
  const auto path = dir.add("m.safetensors", "old");
  {
    SafetensorsWriter writer = make_writer(path, {{"a", DType::kU8, {1}}});
    expect_ok(writer.write("a", 0, bytes_of("x")));
  }
  EXPECT_EQ(dir.files(), std::set<std::string>{"m.safetensors"});
  EXPECT_EQ(read_file(path), "old");
}

TEST(SafetensorsWriter, RewritesAFileThatIsMapped) {
  const TempDir dir;
  const auto path = dir / "m.safetensors";
  const std::string old_data(100'000, 'o');
  {
    SafetensorsWriter writer = make_writer(path, {{"a", DType::kU8, {old_data.size()}}});
    expect_ok(writer.write("a", 0, bytes_of(old_data)));
    expect_ok(writer.finish());
  }
  const Result<SafetensorsFile> old_file = SafetensorsFile::open(path);
  ASSERT_TRUE(old_file.ok()) << old_file.error().to_string();
  const TensorView& old_tensor = *old_file->find("a");
  old_file->release(old_tensor);  // so that the bytes must come from the file again
  {
    SafetensorsWriter writer = make_writer(path, {{"b", DType::kU8, {2}}}, {"copy of a"});
    expect_ok(writer.append("copy of a", old_tensor.bytes));
    expect_ok(writer.write("b", 0, bytes_of("bb")));
    expect_ok(writer.finish());
  }
  old_file->release(old_tensor);
  EXPECT_EQ(text_of(old_tensor.bytes), old_data);
  const Result<SafetensorsFile> new_file = SafetensorsFile::open(path);
  ASSERT_TRUE(new_file.ok()) << new_file.error().to_string();
  EXPECT_EQ(new_file->find("a"), nullptr);
  EXPECT_EQ(text_of(new_file->find("copy of a")->bytes), old_data);
}

// Lets no file of this process grow beyond `bytes`, as a full disk would, until the end of the scope.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    old_action_ = ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_limit_);
    const rlimit limit{bytes, old_limit_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_limit_);
    ::signal(SIGXFSZ, old_action_);
  }

 private:
  sighandler_t old_action_;
  rlimit old_limit_;
};

TEST(SafetensorsWriter, AWriteThatFailsPoisonsTheFile) {
  const TempDir dir;
  const auto path = dir / "m.safetensors";
  {
    SafetensorsWriter writer = make_writer(path, {}, {"s"});
    expect_ok(writer.append("s", bytes_of("fits")));
    {
      const FileSizeLimit limit(4096);
      const Status status = writer.append("s", bytes_of(std::string(10'000, 'x')));
      expect_refused(status, ErrorCode::kIo, "s", "cannot write: File too large");
      EXPECT_EQ(status.error().file(), path.string());
    }
    // There is room again, but what stands in the file is not known: neither more bytes nor the name.
    expect_refused(writer.append("s", bytes_of("x")), ErrorCode::kIo, "s", "an earlier write to this file failed");
    expect_refused(writer.finish(), ErrorCode::kIo, "", "an earlier write to this file failed");
  }
  EXPECT_TRUE(dir.files().empty());
}

TEST(SafetensorsWriter, AHeaderThatCannotBeWrittenLeavesNoFile) {
  const TempDir dir;
  {
    SafetensorsWriter writer = make_writer(dir / "m.safetensors", {}, {"s"});
    const FileSizeLimit limit(16);
    expect_refused(writer.finish(), ErrorCode::kIo, "", "cannot write: File too large");
  }
  EXPECT_TRUE(dir.files().empty());
}

TEST(SafetensorsWriter, RefusesADirectoryThatDoesNotExist) {
  const TempDir dir;
  const Result<SafetensorsWriter> writer = SafetensorsWriter::create(dir / "none/m.safetensors", {}, {}, {}, {});
  ASSERT_FALSE(writer.ok());
  EXPECT_EQ(writer.error().code(), ErrorCode::kNotFound);
}

// --- misuse

TEST(SafetensorsWriter, RefusesWrongWrites) {
  const TempDir dir;
  SafetensorsWriter writer =
      make_writer(dir / "m.safetensors", {{"a", DType::kU8, {4}}}, {"s", "t"}, {}, /*checksums=*/true);
  constexpr auto kInvalid = ErrorCode::kInvalidArgument;
  expect_refused(writer.write("b", 0, bytes_of("x")), kInvalid, "b", "was not announced when the file was created");
  expect_refused(writer.write("nwcodec.checksums", 0, bytes_of("x")), kInvalid, "nwcodec.checksums",
                 "was not announced when the file was created");
  expect_refused(writer.write("s", 0, bytes_of("x")), kInvalid, "s", "is a growing tensor, which append() takes");
  expect_refused(writer.append("a", bytes_of("x")), kInvalid, "a", "is a fixed tensor, which write() takes");
  expect_refused(writer.write("a", 0, bytes_of("12345")), kInvalid, "a", "5 bytes at 0 are too many for a tensor of 4");
  expect_refused(writer.write("a", 1, bytes_of("1")), kInvalid, "a",
                 "bytes at 1 of the tensor do not follow the 0 written so far");
  expect_ok(writer.write("a", 0, bytes_of("12")));
  expect_refused(writer.write("a", 0, bytes_of("12")), kInvalid, "a",
                 "bytes at 0 of the tensor do not follow the 2 written so far");
  expect_refused(writer.write("a", 2, bytes_of("345")), kInvalid, "a", "3 bytes at 2 are too many for a tensor of 4");
  expect_ok(writer.append("t", bytes_of("t")));
  expect_refused(writer.append("s", bytes_of("s")), kInvalid, "s",
                 "was closed by an append() to a later tensor: append in the order announced");
  expect_refused(writer.finish(), kInvalid, "a", "only 2 of its 4 bytes were written");
  expect_ok(writer.write("a", 2, bytes_of("34")));
  expect_ok(writer.finish());
  expect_refused(writer.finish(), kInvalid, "", "the file is finished");
  expect_refused(writer.write("a", 4, bytes_of("5")), kInvalid, "a", "the file is finished");
  const Result<SafetensorsFile> file = SafetensorsFile::open(dir / "m.safetensors");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_EQ(text_of(file->find("a")->bytes), "1234") << "refused calls change nothing";
}

TEST(SafetensorsWriter, RefusesPlansThatMakeNoSoundFile) {
  const TempDir dir;
  const auto refusal = [&](std::vector<PlannedTensor> fixed, std::vector<std::string> growing, Metadata metadata = {}) {
    const auto writer =
        SafetensorsWriter::create(dir / "m", std::move(fixed), std::move(growing), std::move(metadata), {});
    if (writer.ok()) return std::pair(ErrorCode::kInternal, std::string());
    EXPECT_EQ(writer.error().file(), (dir / "m").string());
    return std::pair(writer.error().code(), writer.error().tensor() + ": " + writer.error().message());
  };
  constexpr auto kInvalid = ErrorCode::kInvalidArgument;
  EXPECT_EQ(refusal({{"a", DType::kU8, {1}}, {"a", DType::kF32, {1}}}, {}),
            std::pair(kInvalid, std::string("a: occurs twice")));
  EXPECT_EQ(refusal({{"a", DType::kU8, {1}}}, {"a"}), std::pair(kInvalid, std::string("a: occurs twice")));
  EXPECT_EQ(refusal({{"__metadata__", DType::kU8, {1}}}, {}),
            std::pair(kInvalid, std::string("__metadata__: the name is reserved")));
  EXPECT_EQ(refusal({}, {"nwcodec.checksums"}),
            std::pair(kInvalid, std::string("nwcodec.checksums: the name is reserved")));
  EXPECT_EQ(refusal({{"\xFF", DType::kU8, {1}}}, {}).first, kInvalid);
  EXPECT_EQ(refusal({}, {}, {{"k", "\xFF"}}).first, kInvalid);
  EXPECT_EQ(refusal({}, {std::string(4097, 'n')}).first, ErrorCode::kLimit);
  EXPECT_EQ(refusal({{"a", DType::kU8, std::vector<uint64_t>(17, 1)}}, {}).first, ErrorCode::kLimit);
  EXPECT_EQ(refusal({{"a", DType::kU8, {uint64_t{1} << 32, uint64_t{1} << 32}}}, {}).first, ErrorCode::kLimit);
  EXPECT_EQ(refusal({{"a", DType::kF4, {3}}}, {}).first, ErrorCode::kCorrupt);
  const uint64_t half = uint64_t{1} << 60;
  EXPECT_EQ(refusal({{"a", DType::kU8, {half}}, {"b", DType::kU8, {half}}}, {}),
            std::pair(ErrorCode::kInternal, std::string()))
      << "sparse, so creating it costs nothing";
  std::vector<PlannedTensor> many;
  for (int i = 0; i < 8; ++i) many.push_back({std::string(1, 'a' + i), DType::kU8, {half}});
  EXPECT_EQ(refusal(many, {}),
            std::pair(ErrorCode::kLimit, std::string("h: the file would be larger than any file can be")));
  EXPECT_TRUE(dir.files().empty());
}

TEST(SafetensorsWriter, AnUnfinishedTensorIsNamed) {
  const TempDir dir;
  SafetensorsWriter writer = make_writer(dir / "m", {{"done", DType::kU8, {0}}, {"missing", DType::kF32, {2}}});
  expect_refused(writer.finish(), ErrorCode::kInvalidArgument, "missing", "only 0 of its 8 bytes were written");
}

}  // namespace
}  // namespace nwc
