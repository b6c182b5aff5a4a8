#include "calibrate/second_moment.h"

#include <algorithm>

namespace nwc {

void SecondMoment::add(const at::Tensor& x) {
  const at::Tensor rows = x.reshape({-1, sum_.size(0)});
  if (rows.size(0) == 0) return;
  sum_ += rows.t().matmul(rows).to(torch::kFloat64);
  tokens_ += rows.size(0);
}

void SecondMoment::append_triangle(std::vector<float>& out) const {
  const int64_t n = sum_.size(0);
  const at::Tensor mean = (sum_ / static_cast<double>(std::max<int64_t>(1, tokens_))).contiguous();
  const double* row = mean.data_ptr<double>();
  for (int64_t i = 0; i < n; ++i, row += n) {
    for (int64_t j = 0; j <= i; ++j) out.push_back(static_cast<float>(row[j]));
  }
}

}  // namespace nwc
