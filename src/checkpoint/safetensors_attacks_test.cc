// Headers whose entries contradict each other or the file. Each attack: the header, the data, what the user is told.
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <utility>

#include "nwcodec/checkpoint.h"
#include "support/safetensors_builder.h"

namespace nwc {
namespace {

using testing::bytes_of;
using testing::safetensors_bytes;

// The error of parsing `file`, as a user sees it; empty if there is none.
std::pair<ErrorCode, std::string> refusal(const std::string& file) {
  const Result<SafetensorsFile> result = SafetensorsFile::parse(bytes_of(file), "f");
  if (result.ok()) return {ErrorCode::kInternal, ""};
  return {result.error().code(), result.error().to_string()};
}

struct Attack {
  const char* name;
  const char* header;
  const char* data;
  ErrorCode code;
  const char* message;
};
std::ostream& operator<<(std::ostream& out, const Attack& attack) { return out << attack.name; }

std::string attack_name(const ::testing::TestParamInfo<Attack>& info) { return info.param.name; }

class SafetensorsAttack : public ::testing::TestWithParam<Attack> {};

TEST_P(SafetensorsAttack, IsRefused) {
  const Attack& attack = GetParam();
  // 120 bytes of header put the data at byte 128.
  std::string header = attack.header;
  ASSERT_LE(header.size(), 120u);
  header.resize(120, ' ');
  const auto [code, message] = refusal(safetensors_bytes(header, attack.data));
  EXPECT_EQ(message, attack.message);
  EXPECT_EQ(code, attack.code);
}

INSTANTIATE_TEST_SUITE_P(
    Entries, SafetensorsAttack,
    ::testing::Values(
        Attack{"NotAnObject", R"({"a":[0,1]})", "", ErrorCode::kCorrupt,
               "f: tensor 'a': its header entry is not an object"},
        Attack{"NoDtype", R"({"a":{"shape":[1],"data_offsets":[0,1]}})", "x", ErrorCode::kCorrupt,
               "f: tensor 'a': the header gives it no 'dtype'"},
        Attack{"NoShape", R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", "x", ErrorCode::kCorrupt,
               "f: tensor 'a': the header gives it no 'shape'"},
        Attack{"NoOffsets", R"({"a":{"dtype":"U8","shape":[1]}})", "x", ErrorCode::kCorrupt,
               "f: tensor 'a': the header gives it no 'data_offsets'"},
        Attack{"DtypeIsNumber", R"({"a":{"dtype":8,"shape":[1],"data_offsets":[0,1]}})", "x", ErrorCode::kCorrupt,
               "f: tensor 'a': 'dtype' is not a string"},
        Attack{"UnknownDtype", R"({"a":{"dtype":"F7","shape":[1],"data_offsets":[0,1]}})", "x", ErrorCode::kUnsupported,
               "f: tensor 'a': unknown dtype 'F7'"},
        Attack{"DtypeInLowerCase", R"({"a":{"dtype":"u8","shape":[1],"data_offsets":[0,1]}})", "x",
               ErrorCode::kUnsupported, "f: tensor 'a': unknown dtype 'u8'"},
        Attack{"ShapeIsNumber", R"({"a":{"dtype":"U8","shape":1,"data_offsets":[0,1]}})", "x", ErrorCode::kCorrupt,
               "f: tensor 'a': 'shape' is not an array"},
        Attack{"NegativeDim", R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", "x", ErrorCode::kCorrupt,
               "f: tensor 'a': 'shape' has an element that is not an unsigned 64-bit integer"},
        Attack{"FractionalDim", R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", "x", ErrorCode::kCorrupt,
               "f: tensor 'a': 'shape' has an element that is not an unsigned 64-bit integer"},
        Attack{"DimBeyond64Bits", R"({"a":{"dtype":"U8","shape":[18446744073709551617],"data_offsets":[0,1]}})", "x",
               ErrorCode::kCorrupt, "f: tensor 'a': 'shape' has an element that is not an unsigned 64-bit integer"},
        Attack{"StringOffset", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":["0",1]}})", "x", ErrorCode::kCorrupt,
               "f: tensor 'a': 'data_offsets' has an element that is not an unsigned 64-bit integer"},
        Attack{"OneOffset", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", "x", ErrorCode::kCorrupt,
               "f: tensor 'a': 'data_offsets' has 1 elements, not 2"},
        Attack{"ThreeOffsets", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", "x", ErrorCode::kCorrupt,
               "f: tensor 'a': 'data_offsets' has 3 elements, not 2"},
        Attack{"TooManyDims",
               R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})", "x",
               ErrorCode::kLimit, "f: tensor 'a': 'shape' has 17 elements; the limit is 16"}),
    attack_name);

INSTANTIATE_TEST_SUITE_P(
    Layout, SafetensorsAttack,
    ::testing::Values(
        Attack{"FirstNotAtZero", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", "xy", ErrorCode::kCorrupt,
               "f: tensor 'a': byte 128: its data begins at 1 of the data section instead of 0: a hole"},
        Attack{"Hole",
               R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
               R"("b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
               "xyz", ErrorCode::kCorrupt,
               "f: tensor 'b': byte 129: its data begins at 2 of the data section instead of 1: a hole"},
        Attack{"Overlap",
               R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
               R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
               "xyz", ErrorCode::kCorrupt,
               "f: tensor 'b': byte 130: its data begins at 1 of the data section instead of 2: an overlap"},
        Attack{"SameBytesTwice",
               R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
               R"("b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
               "xy", ErrorCode::kCorrupt,
               "f: tensor 'b': byte 130: its data begins at 0 of the data section instead of 2: an overlap"},
        Attack{"EmptyTensorInsideAnother",
               R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
               R"("b":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}})",
               "xy", ErrorCode::kCorrupt,
               "f: tensor 'b': byte 130: its data begins at 1 of the data section instead of 2: an overlap"},
        Attack{"EndBeforeBegin",
               R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
               R"("b":{"dtype":"U8","shape":[1],"data_offsets":[2,1]}})",
               "xy", ErrorCode::kCorrupt, "f: tensor 'b': byte 130: its data ends at 1, before it begins at 2"},
        Attack{"SpanTooLong", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,2]}})", "xy", ErrorCode::kCorrupt,
               "f: tensor 'a': byte 128: its dtype and shape need 1 bytes, but its offsets span 2"},
        Attack{"SpanTooShort", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "xyzw", ErrorCode::kCorrupt,
               "f: tensor 'a': byte 128: its dtype and shape need 8 bytes, but its offsets span 4"},
        Attack{"ScalarWithoutBytes", R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,0]}})", "",
               ErrorCode::kCorrupt,
               "f: tensor 'a': byte 128: its dtype and shape need 4 bytes, but its offsets span 0"},
        Attack{"EmptyTensorWithBytes", R"({"a":{"dtype":"F32","shape":[0,3],"data_offsets":[0,4]}})", "xyzw",
               ErrorCode::kCorrupt,
               "f: tensor 'a': byte 128: its dtype and shape need 0 bytes, but its offsets span 4"},
        Attack{"ElementsOverflow", R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", "",
               ErrorCode::kLimit, "f: tensor 'a': byte 128: its size overflows 64 bits"},
        Attack{"BitsOverflow", R"({"a":{"dtype":"F64","shape":[288230376151711744],"data_offsets":[0,0]}})", "",
               ErrorCode::kLimit, "f: tensor 'a': byte 128: its size overflows 64 bits"},
        Attack{"OverflowHiddenByAZero",
               R"({"a":{"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}})", "", ErrorCode::kLimit,
               "f: tensor 'a': byte 128: its size overflows 64 bits"},
        Attack{"OverflowBehindAZero", R"({"a":{"dtype":"U8","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}})",
               "", ErrorCode::kLimit, "f: tensor 'a': byte 128: its size overflows 64 bits"},
        Attack{"HalfAByte", R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", "xy", ErrorCode::kCorrupt,
               "f: tensor 'a': byte 128: 12 bits of F4 elements do not fill whole bytes"},
        Attack{"QuarterByte", R"({"a":{"dtype":"F6_E2M3","shape":[5],"data_offsets":[0,4]}})", "xyzw",
               ErrorCode::kCorrupt, "f: tensor 'a': byte 128: 30 bits of F6_E2M3 elements do not fill whole bytes"},
        Attack{"DataMissing", R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", "xy", ErrorCode::kCorrupt,
               "f: tensor 'a': byte 128: its data ends at 3, but the data section has only 2 bytes; the file may be "
               "incomplete: fetch it again"},
        Attack{
            "HugeTensorInASmallFile",
            R"({"a":{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]}})", "xy",
            ErrorCode::kCorrupt,
            "f: tensor 'a': byte 128: its data ends at 1099511627776, but the data section has only 2 bytes; the file "
            "may be incomplete: fetch it again"},
        Attack{"BytesAfterTheLast", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "xyz",
               ErrorCode::kCorrupt, "f: byte 129: 2 bytes after the last tensor belong to none"},
        Attack{"BytesButNoTensor", "{}", "xyz", ErrorCode::kCorrupt,
               "f: byte 128: 3 bytes after the last tensor belong to none"}),
    attack_name);

}  // namespace
}  // namespace nwc
