// A tensor to be compressed, seen as a batch of matrices [rows = outputs, columns = inputs] whatever its storage order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/half.h"
#include "checkpoint/quantised/stored_format.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/dtype.h"

namespace nwc {

// In this machine's memory; for a copy in a device's, see weights/device_weights.h. `bytes` is unaligned, and
// referenced, not owned, unless `decoded` owns it.
struct WeightMatrix {
  std::string name;
  DType dtype;
  uint8_t dimensions;  // of the tensor: 2 or 3
  bool transposed;     // stored [.., columns, rows]
  uint64_t matrices, rows, columns;
  std::span<const std::byte> bytes;
  std::shared_ptr<const std::vector<std::byte>> decoded = nullptr;
  // Of a difference: the identity of the tensor that was taken away, and the dtype of the one that it was taken from.
  struct Difference {
    uint64_t base;
    DType dtype;
  };
  std::optional<Difference> difference = std::nullopt;

  // The tensor with these values in its dtype; none for its shape alone. Precondition: 2 or 3 dimensions and a weight
  // dtype.
  static WeightMatrix of(const TensorView& view, bool transposed, std::span<const std::byte> values) {
    const bool batch = view.shape.size() == 3;
    const uint64_t first = view.shape[batch ? 1 : 0], second = view.shape[batch ? 2 : 1];
    WeightMatrix weights{view.name,
                         view.dtype,
                         static_cast<uint8_t>(view.shape.size()),
                         transposed,
                         batch ? view.shape[0] : 1,
                         transposed ? second : first,
                         transposed ? first : second,
                         values};
    if (view.stored != nullptr && view.stored->subtrahend != nullptr)
      weights.difference = Difference{view.stored->subtrahend->identity(), view.stored->minuend->dtype};
    return weights;
  }
  // The tensor with its own values. Errors: those of values_of() (checkpoint/quantised/stored_format.h).
  static Result<WeightMatrix> load(const TensorView& view, bool transposed, int threads) {
    NWC_ASSIGN_OR_RETURN(TensorValues values, values_of(view, threads));
    WeightMatrix weights = of(view, transposed, values.bytes);
    weights.decoded = std::move(values.decoded);
    return weights;
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
