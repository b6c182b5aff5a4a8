// Sums of squares, one for each of a layer's outputs. Includes LibTorch: private to src/calibrate.
#pragma once

#include <cstdint>
#include <vector>

#include "libtorch/tensors.h"
#include "nwcodec/result.h"
#include "team/team.h"

namespace nwc {

// Sums in binary64 what it gets in binary32, for the reason that SecondMoment has (calibrate/second_moment.h).
class SquareSums {
 public:
  explicit SquareSums(int64_t size) : size_(size) {}
  // Of some tokens: [size], in any precision.
  void add(const at::Tensor& squares);
  // squares[k] to that of output places[k], int64 [count].
  void add_at(const at::Tensor& places, const at::Tensor& squares);
  // What another device has seen.
  void add(const SquareSums& other);
  // Appends the means over so many tokens; zeros if nothing was added.
  void append_means(int64_t tokens, std::vector<float>& out) const;

  // What all processes have seen, for the leading one; of no use to the others afterwards. Errors: those of the team.
  Status add_up(Team& team);

 private:
  int64_t size_;
  at::Tensor sums_;  // [size], float64; undefined before the first
};

}  // namespace nwc
