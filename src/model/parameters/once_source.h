// Lets the experts of a mixture share their fused tensors while a block is loaded.
#pragma once

#include <map>
#include <string>

#include "model/parameters/parameters.h"

namespace nwc {

// Reads each tensor once, however many layers ask for a slice of it. It holds what it has read, which costs nothing
// while the layers hold it too: drop it when the part is loaded. Not thread-safe.
class OnceSource : public ParameterSource {
 public:
  // `base` must outlive this.
  explicit OnceSource(const ParameterSource& base);
  ~OnceSource() override;
  Status check(const TensorSpec& tensor) const override { return base_.check(tensor); }
  Result<at::Tensor> load(const TensorSpec& tensor) const override;

 private:
  const ParameterSource& base_;
  mutable std::map<std::string, at::Tensor> read_;
};

}  // namespace nwc
