#include "baselines/one_mad_code.h"

#include <cmath>

namespace nwc {

BitshiftTrellis one_mad_code(unsigned state_bits, unsigned bits) {
  BitshiftTrellis trellis{state_bits, bits, 1, {}};
  const float deviation = std::sqrt(4 * (256.0f * 256.0f - 1) / 12);  // of the sum of four uniform bytes
  for (uint32_t x = 0; x < trellis.states(); ++x) {
    const uint32_t hash = x * 34038481u + 76625530u;
    const uint32_t sum = (hash & 255) + (hash >> 8 & 255) + (hash >> 16 & 255) + (hash >> 24);
    trellis.code.push_back((static_cast<float>(sum) - 510.0f) / deviation);
  }
  return trellis;
}

}  // namespace nwc
