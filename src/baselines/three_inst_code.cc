#include "baselines/three_inst_code.h"

#include "base/half.h"

namespace nwc {

BitshiftTrellis three_inst_code(unsigned state_bits, unsigned bits) {
  constexpr uint32_t kKept = 0x8FFF8FFF, kBase = 0x3B603B60;
  BitshiftTrellis trellis{state_bits, bits, 1, {}};
  for (uint32_t x = 0; x < trellis.states(); ++x) {
    const uint32_t mixed = ((x * 89226354u + 64248484u) & kKept) ^ kBase;
    trellis.code.push_back(float_from_half(static_cast<uint16_t>(mixed >> 16)) +
                           float_from_half(static_cast<uint16_t>(mixed)));
  }
  return trellis;
}

}  // namespace nwc
