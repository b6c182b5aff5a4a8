#include "decode/plain_slice.h"

#include <algorithm>
#include <string>

#include "decode/weight_store.h"

namespace nwc {

Status copy_plain_slice(std::span<const std::byte> bytes, const WeightInfo& info, const WeightSlice& slice, DType dtype,
                        std::span<std::byte> out) {
  if (dtype != info.dtype && !(is_weight_dtype(dtype) && is_weight_dtype(info.dtype))) {
    return Error(ErrorCode::kUnsupported, "has dtype " + std::string(name_of(info.dtype)) + " and cannot be read as " +
                                              std::string(name_of(dtype)));
  }
  if (out.empty()) return {};
  const uint64_t columns = info.columns(), width = slice.column_end - slice.column_begin;
  const uint64_t first_row = slice.matrix * info.rows() + slice.row_begin;
  uint64_t lines = slice.row_end - slice.row_begin, length = width;
  if (width == columns) {  // whole rows lie together
    length *= lines;
    lines = 1;
  }
  const uint64_t from_bits = bits_of(info.dtype), to_size = length * bits_of(dtype) / 8;
  for (uint64_t line = 0; line < lines; ++line) {
    const uint64_t first = ((first_row + line) * columns + slice.column_begin) * from_bits;
    if (first % 8 != 0 || length * from_bits % 8 != 0) {
      return Error(ErrorCode::kUnsupported,
                   "a row of the slice begins or ends inside a byte of " + std::string(name_of(info.dtype)))
          .remedy("choose whole rows, or columns that fill bytes");
    }
    const std::span<const std::byte> from = bytes.subspan(first / 8, length * from_bits / 8);
    const std::span<std::byte> to = out.subspan(line * to_size, to_size);
    if (dtype == info.dtype) {
      std::copy(from.begin(), from.end(), to.begin());
    } else {
      convert_floats(info.dtype, from, dtype, to);
    }
  }
  return {};
}

}  // namespace nwc
