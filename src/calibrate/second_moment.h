// The second moment of a layer's input. Includes LibTorch: private to src/calibrate.
#pragma once

#include <cstdint>
#include <vector>

#include "libtorch/tensors.h"
#include "nwcodec/result.h"
#include "team/team.h"

namespace nwc {

// Sums x x^T over tokens in binary64, on the device of the first x. Products of one call are summed in binary32, over
// at most a few thousand tokens. So every term of the sum over calls is a binary32 number: the sum is exact but for
// terms 2^29 times smaller than it, and the mean in binary32 does not depend on who adds which term first (but for one
// number in some 10^16).
class SecondMoment {
 public:
  // Rows of the lower triangle that are held, and multiplied, as one matrix: what lies above the diagonal within them
  // is memory and work for nothing.
  static constexpr int64_t kPanel = 2048;

  explicit SecondMoment(int64_t features, int64_t panel = kPanel) : features_(features), panel_(panel) {}
  // x: float32 [..., features].
  void add(const at::Tensor& x);
  // What another device has seen.
  void add(const SecondMoment& other);
  int64_t tokens() const { return tokens_; }
  // Whether the mean can be stored, as x and its squares fit binary32: a bool without dimensions, on the device of the
  // first x. Undefined before it.
  at::Tensor finite() const;
  // The lower triangle of the mean, row by row; zeros if there was no token.
  void append_triangle(std::vector<float>& out) const;

  // What all processes have seen, `tokens` together, for the leading one; of no use to the others afterwards. Errors:
  // those of the team.
  Status add_up(int64_t tokens, Team& team);

 private:
  void make_panels(const at::TensorOptions& options);

  int64_t features_, panel_;
  std::vector<at::Tensor>
      panels_;  // float64 [rows, columns up to the last row's diagonal]; none before the first token
  int64_t tokens_ = 0;
};

// The same for several: the tokens of all of them are added up first.
Status add_up(const std::vector<SecondMoment*>& moments, Team& team);

}  // namespace nwc
