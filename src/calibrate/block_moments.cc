#include "calibrate/block_moments.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/hash.h"
#include "calibrate/finite_check.h"
#include "checkpoint/quantised/stored_format.h"

namespace nwc {
namespace {

constexpr size_t kNamed = 8;  // experts in a line

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
  std::vector<at::Tensor> finite;
  for (const SecondMoment& moment : inputs_) {
    if (const at::Tensor flag = moment.finite(); flag.defined()) finite.push_back(flag);
  }
  return all_true(finite);
}

void BlockMoments::add(const BlockMoments& other) {
  for (size_t i = 0; i < inputs_.size(); ++i) inputs_[i].add(other.inputs_[i]);
}

Status BlockMoments::add_up(Team& team) {
  std::vector<SecondMoment*> all;
  for (SecondMoment& moment : inputs_) all.push_back(&moment);
  return nwc::add_up(all, team);
}

Result<HessianFile> BlockMoments::file(const Checkpoint& checkpoint, const Json& provenance) const {
  HessianFile file;
  file.calibration = provenance;
  std::map<size_t, size_t> of_input;  // input -> Hessian, for layers that are tensors of their own
  for (const BlockLinear& l : linears_) {
    if (file.weights.contains(l.linear.weight)) {  // another slice of a fused tensor
      append(file.hessians[file.weights[l.linear.weight].hessian], l);
      continue;
    }
    size_t index = file.hessians.size();
    if (!l.linear.slice && of_input.contains(l.input)) {
      index = of_input[l.input];
    } else {
      if (!l.linear.slice) of_input[l.input] = index;
      file.hessians.push_back({.features = static_cast<uint64_t>(l.linear.in_features)});
      append(file.hessians.back(), l);
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

void BlockMoments::append(StoredHessian& hessian, const BlockLinear& l) const {
  const SecondMoment& moment = inputs_[l.input];
  hessian.tokens.push_back(moment.tokens());
  moment.append_triangle(hessian.triangles);
}

std::optional<std::string> BlockMoments::few_tokens(size_t block) const {
  std::set<int64_t> experts;
  std::map<int64_t, int64_t> tokens;  // of experts that saw too few for a Hessian of full rank
  for (const BlockLinear& l : linears_) {
    if (!l.expert) continue;
    experts.insert(static_cast<int64_t>(*l.expert));
    const int64_t seen = inputs_[l.input].tokens();
    if (seen < l.linear.in_features) tokens[static_cast<int64_t>(*l.expert)] = seen;
  }
  if (tokens.empty()) return std::nullopt;
  std::vector<std::pair<int64_t, int64_t>> few;  // tokens, expert
  for (const auto& [expert, seen] : tokens) few.emplace_back(seen, expert);
  std::sort(few.begin(), few.end());
  const auto unseen = std::count_if(few.begin(), few.end(), [](const auto& f) { return f.first == 0; });
  std::string named;
  for (size_t i = 0; i < std::min(few.size(), kNamed); ++i) {
    named += fmt::format("{}{} ({}{})", i == 0 ? "" : ", ", few[i].second, few[i].first, i == 0 ? " tokens" : "");
  }
  if (few.size() > kNamed) named += fmt::format(" and {} more", few.size() - kNamed);
  return fmt::format("block {}: {} of {} experts saw fewer tokens than they have inputs, {} of them none: {}", block,
                     few.size(), experts.size(), unseen, named);
}

}  // namespace nwc
