#include "baselines/dct.h"

#include <cmath>
#include <numbers>
#include <vector>

namespace nwc {

void dct_of_chunks(Samples& samples, uint64_t length) {
  const double n = static_cast<double>(length);
  std::vector<double> basis(length * length), chunk(length);
  for (uint64_t k = 0; k < length; ++k) {
    for (uint64_t j = 0; j < length; ++j) {
      basis[k * length + j] = std::sqrt((k == 0 ? 1 : 2) / n) *
                              std::cos(std::numbers::pi * (static_cast<double>(j) + 0.5) * static_cast<double>(k) / n);
    }
  }
  for (uint64_t c = 0; c < samples.columns; ++c) {
    for (uint64_t first = 0; first + length <= samples.rows; first += length) {
      float* const x = samples.values.data() + c * samples.rows + first;
      for (uint64_t j = 0; j < length; ++j) chunk[j] = x[j];
      for (uint64_t k = 0; k < length; ++k) {
        double sum = 0;
        for (uint64_t j = 0; j < length; ++j) sum += basis[k * length + j] * chunk[j];
        x[k] = static_cast<float>(sum);
      }
    }
  }
}

}  // namespace nwc
