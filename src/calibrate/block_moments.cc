#include "calibrate/block_moments.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/hash.h"
#include "checkpoint/quantised/stored_format.h"

namespace nwc {
namespace {

// An expert needs about as many tokens as it has inputs for a Hessian of full rank.
constexpr double kFewTokens = 1.0;

}  // namespace

BlockMoments::BlockMoments(std::vector<BlockLinear> linears) : linears_(std::move(linears)) {
  for (const BlockLinear& l : linears_) {
    if (l.input >= inputs_.size()) inputs_.emplace_back(l.linear.in_features);
  }
}

void BlockMoments::see(const LinearSpec& linear, const at::Tensor& x) {
  const BlockLinear& known = linears_[walk_.next(linears_, linear)];
  if (known.input == last_) return;
  last_ = known.input;
  inputs_[known.input].add(x);
}

void BlockMoments::end_batch() {
  walk_.begin_again();
  last_ = SIZE_MAX;
}

bool BlockMoments::are_finite() const {
  return std::all_of(inputs_.begin(), inputs_.end(), [](const SecondMoment& moment) { return moment.is_finite(); });
}

Result<HessianFile> BlockMoments::file(const Checkpoint& checkpoint, const Json& provenance,
                                       std::vector<std::string>& warnings) const {
  HessianFile file;
  file.calibration = provenance;
  std::map<size_t, size_t> of_input;  // input -> Hessian, for layers that are tensors of their own
  for (const BlockLinear& l : linears_) {
    if (file.weights.contains(l.linear.weight)) {  // another slice of a fused tensor
      append(file.hessians[file.weights[l.linear.weight].hessian], l, warnings);
      continue;
    }
    size_t index = file.hessians.size();
    if (!l.linear.slice && of_input.contains(l.input)) {
      index = of_input[l.input];
    } else {
      if (!l.linear.slice) of_input[l.input] = index;
      file.hessians.push_back({.features = static_cast<uint64_t>(l.linear.in_features)});
      append(file.hessians.back(), l, warnings);
    }
    const Checkpoint::Location weight = checkpoint.find(l.linear.weight);
    uint64_t hash = 0;
    if (weight.tensor != nullptr) {
      NWC_ASSIGN_OR_RETURN(const TensorValues values, values_of(*weight.tensor, 0));
      hash = xxh3(values.bytes);
    }
    file.weights[l.linear.weight] = {index, hash};
    if (weight.tensor != nullptr) weight.shard->release(*weight.tensor);
  }
  return file;
}

void BlockMoments::append(StoredHessian& hessian, const BlockLinear& l, std::vector<std::string>& warnings) const {
  const SecondMoment& moment = inputs_[l.input];
  hessian.tokens.push_back(moment.tokens());
  moment.append_triangle(hessian.triangles);
  if (l.expert && static_cast<double>(moment.tokens()) < kFewTokens * static_cast<double>(l.linear.in_features)) {
    warnings.push_back(fmt::format(
        "{}, expert {}: {} tokens for {} inputs{}", l.linear.weight, *l.expert, moment.tokens(), l.linear.in_features,
        moment.tokens() == 0 ? "; all inputs count alike" : "; damping makes up for the rest"));
  }
}

}  // namespace nwc
