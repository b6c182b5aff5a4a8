#include "model/parameters/once_source.h"

#include "libtorch/tensors.h"

namespace nwc {

OnceSource::OnceSource(const ParameterSource& base) : base_(base) {}
OnceSource::~OnceSource() = default;

Result<at::Tensor> OnceSource::load(const TensorSpec& tensor) const {
  if (const auto found = read_.find(tensor.name); found != read_.end()) return found->second;
  NWC_ASSIGN_OR_RETURN(at::Tensor values, base_.load(tensor));
  read_.emplace(tensor.name, values);
  return values;
}

}  // namespace nwc
