// Element types of safetensors tensors. All data is little-endian and row-major.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace nwc {

// The dtypes that nwcodec computes with are F32, F16 and BF16; all others pass through untouched.
enum class DType : uint8_t {
  kF64 = 0,
  kF32 = 1,
  kF16 = 2,
  kBF16 = 3,
  kI64 = 4,
  kI32 = 5,
  kI16 = 6,
  kI8 = 7,
  kU64 = 8,
  kU32 = 9,
  kU16 = 10,
  kU8 = 11,
  kBool = 12,
  kF8E4M3 = 13,
  kF8E5M2 = 14,
  kF8E8M0 = 15,
  kF4 = 16,
  kF6E2M3 = 17,
  kF6E3M2 = 18,
  kC64 = 19,
};

// Bits per element: 4 and 6 for the sub-byte types.
unsigned bits_of(DType dtype);

// The name in a safetensors header ("BF16", "F8_E4M3", ...) and back; nullopt for an unknown name.
std::string_view name_of(DType dtype);
std::optional<DType> dtype_from_name(std::string_view name);

// Whether the codec can read and write weights of this type (F32, F16, BF16).
constexpr bool is_weight_dtype(DType d) { return d == DType::kF32 || d == DType::kF16 || d == DType::kBF16; }

}  // namespace nwc
