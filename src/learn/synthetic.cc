#include "learn/synthetic.h"

#include <cmath>
#include <random>

namespace nwc {
namespace {

constexpr size_t kColumn = 1024;

// Uniform in (0, 1); std::uniform_real_distribution differs between libraries.
double uniform(std::mt19937_64& random) { return (static_cast<double>(random() >> 12) + 0.5) * 0x1p-52; }

double laplace(std::mt19937_64& random) {
  const double u = uniform(random) - 0.5;
  return u < 0 ? std::log(1 + 2 * u) : -std::log(1 - 2 * u);
}

// Bailey's polar method.
double student_t(std::mt19937_64& random, double degrees) {
  for (;;) {
    const double u = 2 * uniform(random) - 1, v = 2 * uniform(random) - 1, w = u * u + v * v;
    if (w > 1) continue;
    return u * std::sqrt(degrees * (std::pow(w, -2 / degrees) - 1) / w);
  }
}

}  // namespace

std::vector<float> heavy_tailed_chunks(uint64_t chunks, int64_t chunk_length, uint64_t seed) {
  std::mt19937_64 random(seed);
  const uint64_t wanted = chunks * static_cast<uint64_t>(chunk_length);
  std::vector<float> weights;
  weights.reserve(wanted + kColumn);
  for (uint64_t column = 0; weights.size() < wanted; ++column) {
    double values[kColumn], squares = 0;
    for (double& v : values) {
      v = column % 3 == 0 ? laplace(random) : student_t(random, column % 3 == 1 ? 5.0 : 3.0);
      squares += v * v;
    }
    const double scale = 1 / std::sqrt(squares / kColumn);
    for (const double v : values) weights.push_back(static_cast<float>(v * scale));
  }
  weights.resize(wanted);
  return weights;
}

}  // namespace nwc
