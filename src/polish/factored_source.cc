#include "polish/factored_source.h"

namespace nwc {

Result<at::Tensor> FactoredSource::load(const TensorSpec& tensor) const {
  at::Tensor stored;
  if (const auto found = kept_.find(tensor.name); found != kept_.end()) {
    stored = found->second;
  } else {
    NWC_ASSIGN_OR_RETURN(stored, stored_->load(tensor));
    if (keep_) kept_.emplace(tensor.name, stored);
  }
  if (!factors_.has(tensor.name)) return stored;
  at::Tensor weight = factors_.applied(tensor.name, stored, theta_);
  if (recording_) {
    weight.set_requires_grad(true);
    leaves_.emplace_back(tensor.name, weight);
  }
  return weight;
}

void FactoredSource::collect(at::Tensor& sum) {
  for (const auto& [name, weight] : leaves_) {
    // An expert that no token was routed to has none.
    if (weight.grad().defined()) factors_.add_gradient(name, weight.detach(), weight.grad(), sum);
  }
  leaves_.clear();
}

}  // namespace nwc
