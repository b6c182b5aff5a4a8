// The compressed model's parameters with factors applied. Includes LibTorch: private to src/polish.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libtorch/tensors.h"
#include "model/parameters/parameters.h"
#include "nwcodec/result.h"
#include "polish/factors.h"

namespace nwc {

// While it records, every tensor that has factors is handed out as a leaf, so that a backward pass leaves its gradient
// there; collect() turns these into that at theta. Not thread-safe: one thread loads at a time.
class FactoredSource : public ParameterSource {
 public:
  // `keep`: what has been read once stays in memory. Both must outlive this.
  FactoredSource(std::shared_ptr<const ParameterSource> stored, const Factors& factors, at::Tensor theta, bool keep)
      : stored_(std::move(stored)), factors_(factors), theta_(std::move(theta)), keep_(keep) {}

  Status check(const TensorSpec& tensor) const override { return stored_->check(tensor); }
  Result<at::Tensor> load(const TensorSpec& tensor) const override;

  at::Device device() const { return theta_.device(); }
  void set_theta(at::Tensor theta) { theta_ = std::move(theta); }
  void record(bool wanted) { recording_ = wanted; }
  // Adds the gradients of all leaves that were handed out since the last call, and forgets them.
  void collect(at::Tensor& sum);

 private:
  std::shared_ptr<const ParameterSource> stored_;
  const Factors& factors_;
  at::Tensor theta_;
  bool keep_, recording_ = false;
  mutable std::map<std::string, at::Tensor> kept_;
  mutable std::vector<std::pair<std::string, at::Tensor>> leaves_;
};

}  // namespace nwc
