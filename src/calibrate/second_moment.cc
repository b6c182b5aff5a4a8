#include "calibrate/second_moment.h"

#include <algorithm>

namespace nwc {
namespace {

constexpr int64_t kPiece = 256;  // rows that are converted at a time, so that copies stay small

// `more` may have another dtype. A GPU's kernel converts it without a copy.
void add_in_pieces(const at::Tensor& sum, const at::Tensor& more) {
  if (!sum.is_cpu()) {
    sum.add_(more);
    return;
  }
  for (int64_t i = 0; i < sum.size(0); i += kPiece) {
    const int64_t some = std::min(kPiece, sum.size(0) - i);
    sum.narrow(0, i, some).add_(more.narrow(0, i, some));
  }
}

}  // namespace

void SecondMoment::make_panels(const at::TensorOptions& options) {
  for (int64_t begin = 0; begin < features_; begin += panel_) {
    const int64_t end = std::min(begin + panel_, features_);
    panels_.push_back(torch::zeros({end - begin, end}, options.dtype(torch::kFloat64)));
  }
}

void SecondMoment::add(const at::Tensor& x) {
  const at::Tensor rows = x.reshape({-1, features_});
  if (rows.size(0) == 0) return;
  if (panels_.empty()) make_panels(rows.options());
  int64_t begin = 0;
  for (const at::Tensor& panel : panels_) {
    add_in_pieces(panel, rows.narrow(1, begin, panel.size(0)).t().matmul(rows.narrow(1, 0, panel.size(1))));
    begin += panel.size(0);
  }
  tokens_ += rows.size(0);
}

void SecondMoment::add(const SecondMoment& other) {
  if (other.panels_.empty()) return;
  if (panels_.empty()) make_panels(other.panels_[0].options());
  for (size_t p = 0; p < panels_.size(); ++p) panels_[p] += other.panels_[p].to(panels_[p].device());
  tokens_ += other.tokens_;
}

Status SecondMoment::add_up(int64_t tokens, Team& team) {
  tokens_ = tokens;
  if (tokens == 0) return {};
  if (panels_.empty()) make_panels(torch::kCPU);
  for (at::Tensor& panel : panels_) {
    panel = panel.cpu();
    NWC_RETURN_IF_ERROR(team.sum({panel.data_ptr<double>(), static_cast<size_t>(panel.numel())}));
  }
  if (!team.leads()) panels_.clear();
  return {};
}

Status add_up(const std::vector<SecondMoment*>& moments, Team& team) {
  if (team.size() == 1) return {};
  std::vector<double> tokens;
  for (const SecondMoment* moment : moments) tokens.push_back(static_cast<double>(moment->tokens()));
  NWC_RETURN_IF_ERROR(team.gather(tokens));
  for (size_t i = 0; i < moments.size(); ++i)
    NWC_RETURN_IF_ERROR(moments[i]->add_up(static_cast<int64_t>(tokens[i]), team));
  return {};
}

at::Tensor SecondMoment::finite() const {
  if (panels_.empty()) return {};
  // No entry is larger than the larger of two on the diagonal.
  std::vector<at::Tensor> diagonals;
  for (const at::Tensor& panel : panels_) diagonals.push_back(panel.diagonal(panel.size(1) - panel.size(0)));
  const at::Tensor means = (torch::cat(diagonals) / static_cast<double>(tokens_)).to(torch::kFloat32);
  return means.isfinite().all();
}

void SecondMoment::append_triangle(std::vector<float>& out) const {
  const size_t size = static_cast<size_t>(features_ * (features_ + 1) / 2);
  if (panels_.empty()) return out.resize(out.size() + size, 0.0f);
  out.reserve(out.size() + size);
  int64_t columns = 1;
  for (const at::Tensor& panel : panels_) {
    for (int64_t i = 0; i < panel.size(0); i += kPiece) {
      const at::Tensor some = panel.narrow(0, i, std::min(kPiece, panel.size(0) - i));
      const at::Tensor means = (some / static_cast<double>(tokens_)).to(torch::kFloat32).cpu();
      const float* row = means.data_ptr<float>();
      for (int64_t k = 0; k < means.size(0); ++k, ++columns, row += means.size(1))
        out.insert(out.end(), row, row + columns);
    }
  }
}

}  // namespace nwc
