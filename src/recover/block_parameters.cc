#include "recover/block_parameters.h"

namespace nwc {

Result<BlockParameters> BlockParameters::load(const BlockSpec& block, const ParameterSource& source) {
  BlockParameters parameters;
  for (const TensorSpec& tensor : tensors_of(block)) {
    NWC_ASSIGN_OR_RETURN(parameters.tensors_[tensor.name], source.load(tensor));
  }
  return parameters;
}

Status BlockParameters::check(const TensorSpec& tensor) const {
  const auto found = tensors_.find(tensor.name);
  if (found == tensors_.end()) return Error(ErrorCode::kNotFound, "is not of this block").in_tensor(tensor.name);
  if (found->second.sizes() != at::IntArrayRef(tensor.shape))
    return Error(ErrorCode::kMismatch, "has another shape").in_tensor(tensor.name);
  return {};
}

Result<at::Tensor> BlockParameters::load(const TensorSpec& tensor) const {
  NWC_RETURN_IF_ERROR(check(tensor));
  return tensors_.at(tensor.name);
}

}  // namespace nwc
