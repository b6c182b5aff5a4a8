// Which side of a stored matrix is the inputs: a Linear's weight is [outputs, inputs], but not all layers are Linears.
#pragma once

#include "nwcodec/checkpoint.h"
#include "weights/model_kind.h"

namespace nwc {

// Decides along which side chunks and scales run: the wrong one costs quality, never correctness.
struct StorageOrder {
  bool transposed = false;  // stored [.., inputs, outputs]
  bool known = true;        // by the model's type or by the sizes; false: a guess

  // Precondition: 2 or 3 dimensions.
  static StorageOrder of(const TensorView& tensor, const ModelKind& model);
};

}  // namespace nwc
