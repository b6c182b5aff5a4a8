#include "nwcodec/dtype.h"

#include <array>

namespace nwc {
namespace {

struct Row {
  DType dtype;
  std::string_view name;
  unsigned bits;
};

constexpr std::array<Row, 20> kRows{{
    {DType::kF64, "F64", 64},       {DType::kF32, "F32", 32},       {DType::kF16, "F16", 16},
    {DType::kBF16, "BF16", 16},     {DType::kI64, "I64", 64},       {DType::kI32, "I32", 32},
    {DType::kI16, "I16", 16},       {DType::kI8, "I8", 8},          {DType::kU64, "U64", 64},
    {DType::kU32, "U32", 32},       {DType::kU16, "U16", 16},       {DType::kU8, "U8", 8},
    {DType::kBool, "BOOL", 8},      {DType::kF8E4M3, "F8_E4M3", 8}, {DType::kF8E5M2, "F8_E5M2", 8},
    {DType::kF8E8M0, "F8_E8M0", 8}, {DType::kF4, "F4", 4},          {DType::kF6E2M3, "F6_E2M3", 6},
    {DType::kF6E3M2, "F6_E3M2", 6}, {DType::kC64, "C64", 64},
}};

}  // namespace

unsigned bits_of(DType dtype) { return kRows[static_cast<size_t>(dtype)].bits; }
std::string_view name_of(DType dtype) { return kRows[static_cast<size_t>(dtype)].name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

}  // namespace nwc
