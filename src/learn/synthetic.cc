#include "learn/synthetic.h"

#include <cmath>
#include <random>

#include "base/random_variates.h"

namespace nwc {
namespace {

constexpr size_t kColumn = 1024;

}  // namespace

std::vector<float> heavy_tailed_chunks(uint64_t chunks, int64_t chunk_length, uint64_t seed) {
  std::mt19937_64 random(seed);
  const uint64_t wanted = chunks * static_cast<uint64_t>(chunk_length);
  std::vector<float> weights;
  weights.reserve(wanted + kColumn);
  for (uint64_t column = 0; weights.size() < wanted; ++column) {
    double values[kColumn], squares = 0;
    for (double& v : values) {
      v = column % 3 == 0 ? laplace_variate(random) : student_t_variate(random, column % 3 == 1 ? 5.0 : 3.0);
      squares += v * v;
    }
    const double scale = 1 / std::sqrt(squares / kColumn);
    for (const double v : values) weights.push_back(static_cast<float>(v * scale));
  }
  weights.resize(wanted);
  return weights;
}

}  // namespace nwc
