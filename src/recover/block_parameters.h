// A block's parameters while it is trained and compressed. Includes LibTorch: private to src/recover.
#pragma once

#include <map>
#include <string>

#include "libtorch/tensors.h"
#include "model/config/block_spec.h"
#include "model/parameters/parameters.h"
#include "nwcodec/result.h"

namespace nwc {

// Hands out its own tensors instead of copies, so that a Block loaded from it computes with whatever they hold by then
// and gradients reach them. Loading a block this way costs nothing. Thread safety: as a source, several threads may
// load at once.
class BlockParameters : public ParameterSource {
 public:
  // Errors: those of the source.
  static Result<BlockParameters> load(const BlockSpec& block, const ParameterSource& source);

  Status check(const TensorSpec& tensor) const override;
  Result<at::Tensor> load(const TensorSpec& tensor) const override;

  bool has(const std::string& name) const { return tensors_.contains(name); }
  // float32, contiguous. Precondition: has(name).
  at::Tensor& tensor(const std::string& name) { return tensors_.at(name); }

 private:
  std::map<std::string, at::Tensor> tensors_;
};

}  // namespace nwc
