#include "decode/bf16_kernel.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "base/half.h"

namespace nwc {
namespace {

TEST(Bf16Kernel, RoundsAsOneByOne) {
  std::mt19937 random(3);
  std::vector<float> values, scales;
  while (values.size() < 5000) {
    const float v = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (std::isfinite(v)) values.push_back(v);
  }
  for (const float v : {0.0f, -0.0f, 0x1.01p0f, 0x1.03p0f, 0x1.FEp127f, -0x1.FFp127f, 0x1.FFFFFEp127f, 0x1p-149f})
    values.push_back(v);
  for (size_t i = 0; i < values.size(); ++i)
    scales.push_back(i % 3 == 0 ? 1.0f : std::exp2(static_cast<float>(i % 40)));
  for (const Isa isa : available_isas()) {
    std::vector<uint16_t> found(values.size());
    store_bf16(values.data(), scales.data(), 0.75f, found.data(), values.size(), isa);
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(found[i], bf16_from_float(saturate(values[i] * scales[i] * 0.75f))) << values[i] << " " << name_of(isa);
  }
}

}  // namespace
}  // namespace nwc
