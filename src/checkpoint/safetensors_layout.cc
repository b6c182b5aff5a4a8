#include "checkpoint/safetensors_layout.h"

#include <string>

#include "nwcodec/limits.h"

namespace nwc {

Result<uint64_t> checked_tensor_bytes(std::string_view name, DType dtype, std::span<const uint64_t> shape) {
  if (name.size() > limits::kMaxTensorName) {
    return Error(ErrorCode::kLimit, "the name is " + std::to_string(name.size()) + " bytes long; the limit is " +
                                        std::to_string(limits::kMaxTensorName));
  }
  if (shape.size() > limits::kMaxDims) {
    return Error(ErrorCode::kLimit, "has " + std::to_string(shape.size()) + " dimensions; the limit is " +
                                        std::to_string(limits::kMaxDims));
  }
  uint64_t bits = bits_of(dtype);
  bool empty = false;
  for (const uint64_t dim : shape) {
    if (dim == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(bits, dim, &bits)) {
      return Error(ErrorCode::kLimit, "its size overflows 64 bits");
    }
  }
  if (empty) return uint64_t{0};
  if (bits % 8 != 0) {
    return Error(ErrorCode::kCorrupt, std::to_string(bits) + " bits of " + std::string(name_of(dtype)) +
                                          " elements do not fill whole bytes");
  }
  return bits / 8;
}

}  // namespace nwc
