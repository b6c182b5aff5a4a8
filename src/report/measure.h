// What compression did to one tensor, measured on what the decoder makes of it.
#pragma once

#include <vector>

#include "decode/tensor_decoder.h"
#include "guide/hessian_store.h"
#include "nwcodec/result.h"
#include "tensor/felt_error.h"
#include "weights/weight_matrix.h"

namespace nwc {

struct TensorMeasures {
  double squared_error = 0;   // sum over weights of (decoded - original)^2
  double squared_weight = 0;  // sum over weights of original^2
  // The same column by column, [matrices * columns].
  std::vector<double> column_error, column_weight;
  double weighted_error = 0;   // tr(E H E^T), E = decoded - original, summed over matrices; 0 without Hessians
  double weighted_weight = 0;  // tr(W H W^T)
  double felt_error = 0;       // what the errors cost in nats per position; 0 without Fisher factors
};

// `hessian` and `felt` may be nullptr. Takes about as long as decoding; with a Hessian, as long as two passes of error
// feedback, with `felt` three. Memory: some 100 MB beside the Hessian. Independent of `threads` and of the instruction
// set. Errors: those of decoding; kMismatch for a decoder or Hessian of another shape.
Result<TensorMeasures> measure_tensor(const WeightMatrix& original, const TensorDecoder& decoder,
                                      const StoredHessian* hessian, int threads, const FeltError* felt = nullptr);

}  // namespace nwc
