#include "calibrate/second_moment.h"

namespace nwc {

void SecondMoment::add(const at::Tensor& x) {
  const at::Tensor rows = x.reshape({-1, features_});
  if (rows.size(0) == 0) return;
  if (!sum_.defined()) sum_ = torch::zeros({features_, features_}, rows.options().dtype(torch::kFloat64));
  sum_ += rows.t().matmul(rows).to(torch::kFloat64);
  tokens_ += rows.size(0);
}

bool SecondMoment::is_finite() const {
  // No entry is larger than the larger of two on the diagonal.
  return !sum_.defined() ||
         (sum_.diagonal() / static_cast<double>(tokens_)).to(torch::kFloat32).isfinite().all().item<bool>();
}

void SecondMoment::append_triangle(std::vector<float>& out) const {
  const int64_t n = features_;
  if (!sum_.defined()) return out.resize(out.size() + static_cast<size_t>(n * (n + 1) / 2), 0.0f);
  const at::Tensor mean = (sum_ / static_cast<double>(tokens_)).cpu().contiguous();
  const double* row = mean.data_ptr<double>();
  for (int64_t i = 0; i < n; ++i, row += n) {
    for (int64_t j = 0; j <= i; ++j) out.push_back(static_cast<float>(row[j]));
  }
}

}  // namespace nwc
