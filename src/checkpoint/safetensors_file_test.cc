#include <gtest/gtest.h>

#include <utility>

#include "nwcodec/checkpoint.h"
#include "nwcodec/limits.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

using testing::bytes_of;
using testing::raw;
using testing::safetensors_bytes;
using testing::SafetensorsBuilder;
using testing::TempDir;
using testing::text_of;

// The error of parsing `file`, as a user sees it; empty if there is none.
std::pair<ErrorCode, std::string> refusal(const std::string& file) {
  const Result<SafetensorsFile> result = SafetensorsFile::parse(bytes_of(file), "f");
  if (result.ok()) return {ErrorCode::kInternal, ""};
  return {result.error().code(), result.error().to_string()};
}

// --- what is accepted

TEST(SafetensorsFile, ReadsTensorsMetadataAndHeader) {
  const std::string file = SafetensorsBuilder()
                               .metadata("format", "pt")
                               .add("w", "F32", {2, 3}, raw<float>({1, 2, 3, 4, 5, 6}))
                               .add("ids", "I64", {1}, raw<int64_t>({-7}))
                               .bytes();
  const Result<SafetensorsFile> result = SafetensorsFile::parse(bytes_of(file), "f");
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->path(), "f");
  EXPECT_EQ(result->metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  ASSERT_EQ(result->tensors().size(), 2u);
  const TensorView& w = result->tensors()[0];
  EXPECT_EQ(w.name, "w");
  EXPECT_EQ(w.dtype, DType::kF32);
  EXPECT_EQ(w.shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(text_of(w.bytes), raw<float>({1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(w.file_offset, result->header_bytes().size());
  EXPECT_EQ(w.file_offset % 8, 0u);
  EXPECT_EQ(text_of(result->header_bytes()), file.substr(0, file.size() - 32));
  const TensorView* ids = result->find("ids");
  ASSERT_EQ(ids, &result->tensors()[1]);
  EXPECT_EQ(ids->file_offset, w.file_offset + 24);
  EXPECT_EQ(text_of(ids->bytes), raw<int64_t>({-7}));
  EXPECT_EQ(result->find("nope"), nullptr);
  EXPECT_EQ(result->find("__metadata__"), nullptr);
}

TEST(SafetensorsFile, AcceptsNoTensorsScalarsAndEmptyTensors) {
  EXPECT_EQ(refusal(safetensors_bytes("{}")).second, "");
  EXPECT_EQ(refusal(safetensors_bytes(R"({"__metadata__":{}})")).second, "");
  const std::string file =
      SafetensorsBuilder().add("empty", "F32", {4, 0}, "").add("scalar", "F64", {}, raw<double>({2.5})).bytes();
  const Result<SafetensorsFile> result = SafetensorsFile::parse(bytes_of(file), "f");
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->find("empty")->shape, (std::vector<uint64_t>{4, 0}));
  EXPECT_TRUE(result->find("empty")->bytes.empty());
  EXPECT_TRUE(result->find("scalar")->shape.empty());
  EXPECT_EQ(text_of(result->find("scalar")->bytes), raw<double>({2.5}));
}

TEST(SafetensorsFile, OrdersByOffsetAndKeepsTheHeadersOrderOfEmptyTensors) {
  const std::string file = safetensors_bytes(
      R"({"z":{"dtype":"U8","shape":[2],"data_offsets":[3,5]},"e2":{"dtype":"U8","shape":[0],"data_offsets":[3,3]},)"
      R"("a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"e1":{"dtype":"U8","shape":[0],"data_offsets":[3,3]},)"
      R"("last":{"dtype":"U8","shape":[0],"data_offsets":[5,5]}})",
      "aaazz");
  const Result<SafetensorsFile> result = SafetensorsFile::parse(bytes_of(file), "f");
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  std::vector<std::string> names;
  for (const TensorView& tensor : result->tensors()) names.push_back(tensor.name);
  EXPECT_EQ(names, (std::vector<std::string>{"a", "e2", "e1", "z", "last"}));
  EXPECT_EQ(text_of(result->find("z")->bytes), "zz");
}

TEST(SafetensorsFile, KeepsTheHeadersOrderOfManyEmptyTensors) {
  SafetensorsBuilder builder;
  std::vector<std::string> expected;
  for (int i = 0; i < 100; ++i) {
    expected.push_back("t" + std::to_string(i * 37 % 100));
    builder.add(expected.back(), "F32", {0}, "");
  }
  const std::string file = builder.bytes();
  const Result<SafetensorsFile> result = SafetensorsFile::parse(bytes_of(file), "f");
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  std::vector<std::string> names;
  for (const TensorView& tensor : result->tensors()) names.push_back(tensor.name);
  EXPECT_EQ(names, expected);
}

TEST(SafetensorsFile, AcceptsEveryDtypeAndWholeBytesOfSubByteElements) {
  const std::vector<std::pair<std::string, size_t>> bytes_of_16 = {
      {"F64", 128},    {"F32", 64},     {"F16", 32}, {"BF16", 32},    {"I64", 128},    {"I32", 64},  {"I16", 32},
      {"I8", 16},      {"U64", 128},    {"U32", 64}, {"U16", 32},     {"U8", 16},      {"BOOL", 16}, {"F8_E4M3", 16},
      {"F8_E5M2", 16}, {"F8_E8M0", 16}, {"F4", 8},   {"F6_E2M3", 12}, {"F6_E3M2", 12}, {"C64", 128}};
  for (const auto& [dtype, size] : bytes_of_16) {
    const std::string file = SafetensorsBuilder().add("t", dtype, {4, 4}, std::string(size, 'x')).bytes();
    EXPECT_EQ(refusal(file).second, "") << dtype;
  }
}

TEST(SafetensorsFile, KeepsNamesAsTheyAre) {
  const std::string file = safetensors_bytes(
      "{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
      "\"../\\u00fc\\n\xF0\x9F\x98\x80\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
      "ab");
  const Result<SafetensorsFile> result = SafetensorsFile::parse(bytes_of(file), "f");
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_NE(result->find(""), nullptr);
  EXPECT_NE(result->find("../\xC3\xBC\n\xF0\x9F\x98\x80"), nullptr);
}

TEST(SafetensorsFile, IgnoresUnknownFieldsOfATensorAsTheReferenceReaderDoes) {
  EXPECT_EQ(
      refusal(safetensors_bytes(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"note":"hi"}})", "x")).second,
      "");
}

// --- the length prefix

TEST(SafetensorsFile, RefusesAFileTooShortForTheLength) {
  EXPECT_EQ(refusal("").second, "f: is 0 bytes long, too short for the length of a safetensors header");
  EXPECT_EQ(refusal("1234567"),
            std::pair(ErrorCode::kCorrupt,
                      std::string("f: is 7 bytes long, too short for the length of a safetensors header")));
}

TEST(SafetensorsFile, RefusesAHugeHeaderLengthWithoutLookingFurther) {
  const std::string over = raw<uint64_t>({100'000'001}) + "{}";
  EXPECT_EQ(refusal(over),
            std::pair(ErrorCode::kLimit, std::string("f: byte 0: declares a header of 100000001 bytes; the "
                                                     "limit is 100000000; check that it is a "
                                                     "safetensors file")));
  EXPECT_EQ(refusal(raw<uint64_t>({~uint64_t{0}}) + "{}").first, ErrorCode::kLimit);  // 8 + N would wrap
}

TEST(SafetensorsFile, RefusesAHeaderThatRunsPastTheEnd) {
  EXPECT_EQ(
      refusal(raw<uint64_t>({3}) + "{}"),
      std::pair(ErrorCode::kCorrupt, std::string("f: byte 0: declares a header of 3 bytes, but only 2 follow; the "
                                                 "file may be incomplete: fetch it again")));
  EXPECT_EQ(refusal(raw<uint64_t>({100'000'000}) + "{}").first, ErrorCode::kCorrupt);
}

// --- the header's text

TEST(SafetensorsFile, RefusesAHeaderThatDoesNotStartWithABrace) {
  for (const char* header : {"", " {}", "\n{}", "[]", "\xEF\xBB\xBF{}", "\"{}\""}) {
    EXPECT_EQ(refusal(safetensors_bytes(header)),
              std::pair(ErrorCode::kCorrupt, std::string("f: byte 8: the header does not start with '{'")))
        << header;
  }
}

TEST(SafetensorsFile, RefusesWhatIsNotJson) {
  for (const char* header : {"{", "{}}", "{\"a\"}", "{\"a\":1,}", "{} x", "{'a':1}", "{\"a\":NaN}", "{}//"}) {
    const auto [code, message] = refusal(safetensors_bytes(header));
    EXPECT_EQ(code, ErrorCode::kCorrupt) << header;
    EXPECT_NE(message.find("the header is no valid safetensors header: invalid JSON"), std::string::npos) << message;
  }
}

TEST(SafetensorsFile, RefusesTextHiddenBehindANulByte) {
  EXPECT_EQ(refusal(safetensors_bytes(std::string_view("{}\0{}", 5))),
            std::pair(ErrorCode::kCorrupt, std::string("f: byte 10: the header has a NUL byte")));
}

TEST(SafetensorsFile, RefusesInvalidUtf8) {
  const char* const entry = "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}";
  for (const char* name : {"\xFF", "\xC3", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\\ud800"}) {
    const auto [code, message] = refusal(safetensors_bytes(std::string("{\"") + name + entry));
    EXPECT_EQ(code, ErrorCode::kCorrupt) << message;
    EXPECT_NE(message.find("invalid JSON"), std::string::npos) << message;
  }
}

TEST(SafetensorsFile, RefusesDuplicateTensorNames) {
  const auto [code, message] = refusal(safetensors_bytes(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                                         R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                                                         "x"));
  EXPECT_EQ(code, ErrorCode::kCorrupt);
  EXPECT_NE(message.find("JSON key 'a' appears twice in one object"), std::string::npos) << message;
  // The same name, written in two ways.
  EXPECT_EQ(refusal(safetensors_bytes(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                      R"("\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                                      "xy"))
                .first,
            ErrorCode::kCorrupt);
}

TEST(SafetensorsFile, RefusesDuplicateKeysInsideATensorOrTheMetadata) {
  for (const char* header :
       {R"({"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}})",
        R"({"__metadata__":{"k":"1","k":"2"},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
        R"({"__metadata__":{},"__metadata__":{},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})"}) {
    const auto [code, message] = refusal(safetensors_bytes(header, "x"));
    EXPECT_EQ(code, ErrorCode::kCorrupt);
    EXPECT_NE(message.find("appears twice in one object"), std::string::npos) << message;
  }
}

TEST(SafetensorsFile, RefusesDeepNesting) {
  const std::string depth(50'000, '[');
  EXPECT_EQ(refusal(safetensors_bytes("{\"a\":" + depth)).first, ErrorCode::kLimit);
}

TEST(SafetensorsFile, RefusesMetadataThatIsNotAStringMap) {
  EXPECT_EQ(refusal(safetensors_bytes(R"({"__metadata__":["pt"]})")).second, "f: __metadata__ is not an object");
  for (const char* value : {"1", "null", "{}", "[]", "true"}) {
    EXPECT_EQ(
        refusal(safetensors_bytes(R"({"__metadata__":{"k":)" + std::string(value) + "}}")),
        std::pair(ErrorCode::kCorrupt, std::string("f: __metadata__ maps 'k' to something that is not a string")));
  }
}

TEST(SafetensorsFile, RefusesALongName) {
  const auto file = [](size_t length) {
    return SafetensorsBuilder().add(std::string(length, 'n'), "U8", {1}, "x").bytes();
  };
  EXPECT_EQ(refusal(file(4096)).second, "");
  const auto [code, message] = refusal(file(4097));
  EXPECT_EQ(code, ErrorCode::kLimit);
  EXPECT_NE(message.find("the name is 4097 bytes long; the limit is 4096"), std::string::npos) << message;
}

TEST(SafetensorsFile, RefusesEveryTruncationOfASoundFile) {
  const std::string file = SafetensorsBuilder()
                               .metadata("format", "pt")
                               .add("w", "F16", {2, 2}, "12345678")
                               .add("b", "U8", {1}, "9")
                               .bytes();
  ASSERT_EQ(refusal(file).second, "");
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_EQ(refusal(file.substr(0, size)).first, ErrorCode::kCorrupt) << size;
  }
  EXPECT_EQ(refusal(file + "x").first, ErrorCode::kCorrupt);
}

// --- files

TEST(SafetensorsFile, OpensAMappedFile) {
  const TempDir dir;
  const auto path = dir.add("m.safetensors", SafetensorsBuilder().add("w", "U8", {3}, "abc").bytes());
  Result<SafetensorsFile> opened = SafetensorsFile::open(path);
  ASSERT_TRUE(opened.ok()) << opened.error().to_string();
  EXPECT_EQ(opened->path(), path);
  SafetensorsFile moved = *std::move(opened);
  const TensorView& w = *moved.find("w");
  moved.release(w);
  EXPECT_EQ(text_of(w.bytes), "abc") << "released pages come back when they are read";
}

TEST(SafetensorsFile, SaysWhyAFileCannotBeOpened) {
  const TempDir dir;
  const Result<SafetensorsFile> missing = SafetensorsFile::open(dir / "none.safetensors");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(missing.error().file(), (dir / "none.safetensors").string());
  const Result<SafetensorsFile> folder = SafetensorsFile::open(dir.path());
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.error().code(), ErrorCode::kIo);
  const Result<SafetensorsFile> empty = SafetensorsFile::open(dir.add("empty.safetensors", ""));
  ASSERT_FALSE(empty.ok());
  EXPECT_EQ(empty.error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(empty.error().file(), (dir / "empty.safetensors").string());
}

}  // namespace
}  // namespace nwc
