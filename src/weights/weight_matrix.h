// A tensor to be compressed, seen as a batch of matrices [rows = outputs, columns = inputs] whatever its storage order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/half.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/dtype.h"

namespace nwc {

// In this machine's memory; for a copy in a device's, see weights/device_weights.h. `bytes` is referenced, not owned,
// and unaligned.
struct WeightMatrix {
  std::string name;
  DType dtype;
  uint8_t dimensions;  // of the tensor: 2 or 3
  bool transposed;     // stored [.., columns, rows]
  uint64_t matrices, rows, columns;
  std::span<const std::byte> bytes;

  // Precondition: 2 or 3 dimensions and a weight dtype.
  static WeightMatrix of(const TensorView& view, bool transposed) {
    const bool batch = view.shape.size() == 3;
    const uint64_t first = view.shape[batch ? 1 : 0], second = view.shape[batch ? 2 : 1];
    return {view.name,
            view.dtype,
            static_cast<uint8_t>(view.shape.size()),
            transposed,
            batch ? view.shape[0] : 1,
            transposed ? second : first,
            transposed ? first : second,
            view.bytes};
  }

  uint64_t elements() const { return matrices * rows * columns; }
  // Position in storage order.
  uint64_t index_of(uint64_t matrix, uint64_t row, uint64_t column) const {
    return matrix * rows * columns + (transposed ? column * rows + row : row * columns + column);
  }
  float at(uint64_t index) const {
    switch (dtype) {
      case DType::kF32: return load_le<float>(bytes.data() + 4 * index);
      case DType::kF16: return float_from_half(load_le<uint16_t>(bytes.data() + 2 * index));
      default: return float_from_bf16(load_le<uint16_t>(bytes.data() + 2 * index));
    }
  }
};

}  // namespace nwc
