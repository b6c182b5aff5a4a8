// QuIP#'s codebooks (Tseng et al. 2024a, Section 4): eight weights are a point near the lattice E8.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace nwc {

inline constexpr unsigned kE8Dimensions = 8;

// E8P, 2^16 points, 2 bits a weight: 256 vectors of positive half-integers, with all signs that make the coordinates'
// sum even, moved by 1/4 or -1/4 along all coordinates. The vectors are the 227 of squared norm at most 10, and 29 of
// the 56 of squared norm 12 with entries up to 3/2: the paper leaves open which; these are the first in lexicographic
// order.
// Immutable; threads share it.
class E8pCode {
 public:
  E8pCode();
  // The nearest point to x, exactly, ties within rounding.
  void nearest(const float* x, float* point) const;
  // The nearest of the 256 points of E8 that the 3-bit form adds: 0, the 240 of squared norm 2, and 15 of the 16 with
  // one coordinate of +-2, all but (0, ..., 0, -2).
  void nearest_short(const float* x, float* point) const;
  // With 2, 3 or 4 bits a weight: E8P, then what it leaves over, enlarged, by the short points or by E8P.
  void quantise(const float* x, unsigned bits, float* decoded) const;

  const std::vector<std::array<float, kE8Dimensions>>& positive() const { return positive_; }
  const std::vector<std::array<float, kE8Dimensions>>& short_points() const { return short_; }

 private:
  std::vector<std::array<float, kE8Dimensions>> positive_, short_;
  // [coordinate][256]: the same side by side; half their squared norms; whether the coordinates' sum is odd.
  std::vector<float> by_coordinate_, half_norm_, short_by_coordinate_, short_half_norm_;
  std::vector<uint8_t> odd_;
};

// What Gaussian weights of variance 1 are multiplied by before they are coded: the authors' values.
double e8p_scale(unsigned bits);

}  // namespace nwc
