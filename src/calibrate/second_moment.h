// The second moment of a layer's input. Includes LibTorch: private to src/calibrate.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

namespace nwc {

// Sums x x^T over tokens in binary64. Products of one call are summed in binary32, over at most a few thousand tokens.
class SecondMoment {
 public:
  explicit SecondMoment(int64_t features) : sum_(torch::zeros({features, features}, torch::kFloat64)) {}
  // x: float32 [..., features].
  void add(const at::Tensor& x);
  int64_t tokens() const { return tokens_; }
  // The lower triangle of the mean, row by row; zeros if there was no token.
  void append_triangle(std::vector<float>& out) const;

 private:
  at::Tensor sum_;
  int64_t tokens_ = 0;
};

}  // namespace nwc
