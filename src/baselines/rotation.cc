#include "baselines/rotation.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "base/random_variates.h"

namespace nwc {
namespace {

constexpr uint64_t kRowsTogether = 256;  // of a work item, so that a block of columns stays in the cache

}  // namespace

std::vector<double> random_orthogonal(uint64_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<double> q(size * size);
  for (double& v : q) v = gaussian_variate(random);
  for (uint64_t i = 0; i < size; ++i) {
    double* const row = q.data() + i * size;
    // Gram and Schmidt, twice: once leaves an error that grows with the matrix's condition.
    for (int pass = 0; pass < 2; ++pass) {
      for (uint64_t j = 0; j < i; ++j) {
        const double* const other = q.data() + j * size;
        double dot = 0;
        for (uint64_t k = 0; k < size; ++k) dot += row[k] * other[k];
        for (uint64_t k = 0; k < size; ++k) row[k] -= dot * other[k];
      }
    }
    double squares = 0;
    for (uint64_t k = 0; k < size; ++k) squares += row[k] * row[k];
    const double scale = 1 / std::sqrt(squares);
    for (uint64_t k = 0; k < size; ++k) row[k] *= scale;
  }
  return q;
}

void random_rotation(Samples& samples, uint64_t seed, int threads) {
  const uint64_t rows = samples.rows, pieces = (rows + kRowsTogether - 1) / kRowsTogether;
  for (uint64_t first = 0; first < samples.columns; first += kRotationBlock) {
    const uint64_t size = std::min(kRotationBlock, samples.columns - first);
    const std::vector<double> q = random_orthogonal(size, seed + first);
    float* const block = samples.values.data() + first * rows;
    parallel_for_or_throw(pieces, threads, [&](size_t piece, int) {
      const uint64_t begin = piece * kRowsTogether, count = std::min(kRowsTogether, rows - begin);
      std::vector<float> out(size * count, 0.0f);
      for (uint64_t i = 0; i < size; ++i) {
        float* const target = out.data() + i * count;
        for (uint64_t j = 0; j < size; ++j) {
          const float weight = static_cast<float>(q[i * size + j]);
          const float* const source = block + j * rows + begin;
          for (uint64_t r = 0; r < count; ++r) target[r] += weight * source[r];
        }
      }
      for (uint64_t i = 0; i < size; ++i) std::copy_n(out.data() + i * count, count, block + i * rows + begin);
    });
  }
}

}  // namespace nwc
