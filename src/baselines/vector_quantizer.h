// Baseline: fixed-rate vector quantisation of pairs of weights ("VQ" of the paper's Figure 6), and the codebook fitting
// that the trellis codes share.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "baselines/rate_point.h"

namespace nwc {

using Pair = std::array<float, 2>;

// Finds the nearest of a set of points, exactly: points are sorted by their first coordinate and looked at outward from
// the query.
class NearestPoint {
 public:
  // At least one point.
  explicit NearestPoint(std::span<const Pair> points);
  // Index into the constructor's points; *squared_distance is set.
  uint32_t find(const Pair& query, float* squared_distance) const;

 private:
  std::vector<Pair> sorted_;
  std::vector<uint32_t> original_;
};

// `size` points with small mean squared distance to `pairs`: k-means++ seeding (which spreads points as the optimal
// quantiser of high rate does, by the root of the density), then Lloyd's iteration (Linde, Buzo and Gray) until it
// gains less than 0.002 %, 100 times at most. If there are no more pairs than points, the pairs. The same seed gives
// the same points.
std::vector<Pair> fit_codebook(std::span<const Pair> pairs, uint32_t size, uint64_t seed);

// Index bits per pair that are tractable, that is 6 bits per weight.
inline constexpr unsigned kLargestVectorIndex = 12;

// The most bits per weight at which `count` weights can judge a codebook that is fitted to them: with fewer than 64
// pairs per point it learns them by heart, and its error says little. 0 if there is none.
unsigned largest_vector_bits(uint64_t count);

// Quantises consecutive pairs of `values` (an even number of them) with 2 * bits index bits. The codebook is fitted to
// at most 2^18 of the pairs, evenly spaced; the error is that of all; codebook bytes do not count. 2 * bits <=
// kLargestVectorIndex.
RatePoint vector_quantizer(std::span<const float> values, unsigned bits, uint64_t seed, int threads);

}  // namespace nwc
