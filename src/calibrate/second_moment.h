// The second moment of a layer's input. Includes LibTorch: private to src/calibrate.
#pragma once

#include <cstdint>
#include <vector>

#include "libtorch/tensors.h"

namespace nwc {

// Sums x x^T over tokens in binary64, on the device of the first x. Products of one call are summed in binary32, over
// at most a few thousand tokens.
class SecondMoment {
 public:
  explicit SecondMoment(int64_t features) : features_(features) {}
  // x: float32 [..., features].
  void add(const at::Tensor& x);
  int64_t tokens() const { return tokens_; }
  // Whether the mean can be stored: x and its squares fit binary32.
  bool is_finite() const;
  // The lower triangle of the mean, row by row; zeros if there was no token.
  void append_triangle(std::vector<float>& out) const;

 private:
  int64_t features_;
  at::Tensor sum_;  // undefined before the first token
  int64_t tokens_ = 0;
};

}  // namespace nwc
