// Collects the tensors that a description names. Internal to the *_spec.cc files.
//
// Thread safety: none.
#pragma once

#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "model/config/block_spec.h"

namespace nwc {

// Lists each tensor once, in the order of the calls; tensors without a name are no tensors.
class TensorList {
 public:
  void add(TensorSpec tensor) {
    if (!tensor.name.empty() && seen_.insert(tensor.name).second) list_.push_back(std::move(tensor));
  }
  void add(std::vector<TensorSpec> tensors) {
    for (TensorSpec& tensor : tensors) add(std::move(tensor));
  }
  void add(const LinearSpec& linear) {
    add(linear.weight_tensor());
    add(linear.bias_tensor());
  }
  void add(const NormSpec& norm) {
    add(TensorSpec{norm.weight, {norm.features}});
    add(TensorSpec{norm.bias, {norm.features}});
  }
  template <class Spec>
  void add(const std::optional<Spec>& spec) {
    if (spec) add(*spec);
  }
  std::vector<TensorSpec> take() && { return std::move(list_); }

 private:
  std::vector<TensorSpec> list_;
  std::unordered_set<std::string> seen_;
};

}  // namespace nwc
