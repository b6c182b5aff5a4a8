#include "calibrate/square_sums.h"

#include <algorithm>

namespace nwc {
namespace {

// As terms of a sum whose order does not matter.
at::Tensor terms(const at::Tensor& squares) { return squares.to(torch::kFloat32).to(torch::kFloat64); }

}  // namespace

void SquareSums::add(const at::Tensor& squares) { sums_ = sums_.defined() ? sums_ + terms(squares) : terms(squares); }

void SquareSums::add_at(const at::Tensor& places, const at::Tensor& squares) {
  if (!sums_.defined()) sums_ = torch::zeros({size_}, squares.options().dtype(torch::kFloat64));
  sums_.index_add_(0, places, terms(squares));
}

void SquareSums::add(const SquareSums& other) {
  if (!other.sums_.defined()) return;
  sums_ = sums_.defined() ? sums_ + other.sums_.to(sums_.device()) : other.sums_;
}

void SquareSums::append_means(int64_t tokens, std::vector<float>& out) const {
  const size_t begin = out.size();
  out.resize(begin + static_cast<size_t>(size_), 0.0f);
  if (!sums_.defined()) return;
  const at::Tensor means = (sums_ / static_cast<double>(tokens)).to(torch::kFloat32).cpu().contiguous();
  std::copy_n(means.data_ptr<float>(), size_, out.begin() + static_cast<ptrdiff_t>(begin));
}

Status SquareSums::add_up(Team& team) {
  if (team.size() == 1) return {};
  std::vector<double> some{sums_.defined() ? 1.0 : 0.0};
  NWC_RETURN_IF_ERROR(team.gather(some));
  if (some[0] == 0) return {};
  sums_ = sums_.defined() ? sums_.cpu().contiguous() : torch::zeros({size_}, torch::kFloat64);
  return team.sum({sums_.data_ptr<double>(), static_cast<size_t>(size_)});
}

}  // namespace nwc
