#include "calibrate/block_fisher.h"

#include <utility>

#include "calibrate/finite_check.h"

namespace nwc {
namespace {

// [tokens, features]
at::Tensor rows_of(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

// As rows; zeros where no gradient came.
struct Pair {
  at::Tensor weighted;  // |g| x
  at::Tensor gradient;
  at::Tensor weights;  // |g|^2, [tokens]
};
Pair pair_of(const at::Tensor& input, const at::Tensor& gradient, int64_t output_features) {
  const at::Tensor x = rows_of(input);
  const at::Tensor g = gradient.defined() ? rows_of(gradient) : torch::zeros({x.size(0), output_features}, x.options());
  const at::Tensor weights = g.square().sum(-1);
  return {x * weights.sqrt().unsqueeze(-1), g, weights};
}

}  // namespace

BlockFisher::BlockFisher(std::vector<BlockLinear> linears, bool outputs)
    : linears_(std::move(linears)), outputs_(outputs) {
  for (const BlockLinear& l : linears_)
    sums_.push_back(
        {SecondMoment(l.linear.in_features), SecondMoment(l.linear.out_features), SquareSums(l.linear.out_features)});
}

void BlockFisher::see(const LinearSpec& linear, const at::Tensor& input, const at::Tensor& output) {
  const auto gradient = std::make_shared<at::Tensor>();
  seen_.push_back({walk_.next(linears_, linear), input.detach(), gradient});
  if (output.requires_grad()) output.register_hook([gradient](const at::Tensor& g) { *gradient = g; });
}

bool BlockFisher::keeps_outputs(size_t layer) const { return outputs_ && !linears_[layer].expert; }

std::optional<std::string> BlockFisher::end_batch(bool add) {
  const std::vector<Seen> seen = std::exchange(seen_, {});
  walk_.begin_again();
  std::vector<Pair> pairs;
  std::vector<at::Tensor> both;
  for (const Seen& s : seen) {
    pairs.push_back(pair_of(s.input, *s.gradient, linears_[s.layer].linear.out_features));
    both.insert(both.end(), {pairs.back().weighted, pairs.back().gradient});
  }
  const std::vector<bool> finite = have_finite_squares(both);
  for (size_t i = seen.size(); i-- > 0;) {
    if (!finite[2 * i] || !finite[2 * i + 1]) return linears_[seen[i].layer].linear.weight;
  }
  for (size_t i = 0; add && i < seen.size(); ++i) {
    Sums& sums = sums_[seen[i].layer];
    sums.inputs.add(pairs[i].weighted);
    if (keeps_outputs(seen[i].layer)) sums.outputs.add(pairs[i].gradient);
    sums.squares.add(pairs[i].gradient.square().sum(0, /*keepdim=*/false, torch::kFloat64));
    sums.effective.add(pairs[i].weights);
  }
  return std::nullopt;
}

void BlockFisher::add(const BlockFisher& other) {
  for (size_t i = 0; i < sums_.size(); ++i) {
    sums_[i].inputs.add(other.sums_[i].inputs);
    sums_[i].outputs.add(other.sums_[i].outputs);
    sums_[i].squares.add(other.sums_[i].squares);
    sums_[i].effective.add(other.sums_[i].effective);
  }
}

Status BlockFisher::add_up(Team& team) {
  std::vector<SecondMoment*> all;
  for (size_t i = 0; i < sums_.size(); ++i) {
    all.push_back(&sums_[i].inputs);
    if (keeps_outputs(i)) all.push_back(&sums_[i].outputs);
  }
  NWC_RETURN_IF_ERROR(nwc::add_up(all, team));
  for (Sums& sums : sums_) {
    NWC_RETURN_IF_ERROR(sums.squares.add_up(team));
    NWC_RETURN_IF_ERROR(sums.effective.add_up(team));
  }
  return {};
}

void BlockFisher::append_to(HessianFile& file) const {
  for (size_t i = 0; i < linears_.size(); ++i) {
    const LinearSpec& linear = linears_[i].linear;
    HessianFile::Use& use = file.weights.at(linear.weight);
    if (!use.fisher) {
      use.fisher = file.fishers.size();
      file.fishers.push_back({.features = static_cast<uint64_t>(linear.in_features),
                              .output_features = static_cast<uint64_t>(linear.out_features)});
    }
    StoredFisher& stored = file.fishers[*use.fisher];
    const Sums& sums = sums_[i];
    ++stored.matrices;
    sums.inputs.append_triangle(stored.inputs);
    if (keeps_outputs(i)) sums.outputs.append_triangle(stored.outputs);
    sums.squares.append_means(sums.inputs.tokens(), stored.rows);
    stored.effective.push_back(sums.effective.count());
  }
}

}  // namespace nwc
