// Where a model's parameters come from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libtorch/device.h"
#include "libtorch/tensor_fwd.h"
#include "model/config/block_spec.h"
#include "nwcodec/result.h"
#include "nwcodec/weights.h"

namespace nwc {

// Implementations other than WeightsSource put changed weights in the place of stored ones.
// Thread safety: const members may be called from several threads at once.
class ParameterSource {
 public:
  virtual ~ParameterSource() = default;
  // Whether load() would find this tensor with this shape, without reading it. Errors: kNotFound, kMismatch.
  virtual Status check(const TensorSpec& tensor) const = 0;
  // The tensor in float32, freshly allocated and contiguous, on the source's device. Errors: those of check(), and of
  // reading.
  virtual Result<at::Tensor> load(const TensorSpec& tensor) const = 0;
};

// The tensors of a checkpoint directory, plain or compressed. A tensor NAME [n, columns, rows] may be stored in MXFP4
// instead, as gpt-oss publishes its experts: U8 tensors NAME_blocks [n, rows, columns / 32, 16] and NAME_scales
// [n, rows, columns / 32]; see mxfp4.h.
class WeightsSource : public ParameterSource {
 public:
  // `threads` for decoding compressed tensors; <= 0 means all cores. Tensors are loaded to `device`.
  WeightsSource(Weights weights, int threads, ModelDevice device = {})
      : weights_(std::move(weights)), threads_(threads), device_(device) {}
  Status check(const TensorSpec& tensor) const override;
  Result<at::Tensor> load(const TensorSpec& tensor) const override;

 private:
  Status check_stored(const TensorSpec& tensor) const;
  Result<at::Tensor> load_mxfp4(const TensorSpec& tensor) const;

  Weights weights_;
  int threads_;
  ModelDevice device_;
};

}  // namespace nwc
