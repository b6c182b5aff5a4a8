// Both sides' second moments of a layer that never was, for steps by sensitivity and feedback along both.
#pragma once

#include <cmath>
#include <random>
#include <vector>

#include "guide/sensitivity.h"
#include "support/tiny_codec.h"

namespace nwc::testing {

// Of `n` features: neighbours correlate, sizes differ by `deviation` (of their logarithm).
inline void add_triangle(uint64_t n, double correlation, double deviation, std::mt19937& random,
                         std::vector<float>& triangle) {
  const std::vector<float> scale = random_values(n, deviation, random);
  for (uint64_t i = 0; i < n; ++i) {
    for (uint64_t j = 0; j <= i; ++j) {
      triangle.push_back(
          static_cast<float>(std::pow(correlation, static_cast<double>(i - j)) * std::exp(scale[i] + scale[j])));
    }
  }
}

inline StoredFisher random_fisher(const WeightMatrix& weights, std::mt19937& random, double deviation = 0.6) {
  StoredFisher fisher{.matrices = weights.matrices, .features = weights.columns, .output_features = weights.rows};
  for (uint64_t m = 0; m < weights.matrices; ++m) {
    add_triangle(weights.columns, 0.9, deviation, random, fisher.inputs);
    const size_t begin = fisher.outputs.size();
    add_triangle(weights.rows, 0.8, 0.6, random, fisher.outputs);
    for (uint64_t i = 0; i < weights.rows; ++i) fisher.rows.push_back(fisher.outputs[begin + i * (i + 3) / 2]);
  }
  return fisher;
}

}  // namespace nwc::testing
