#include "base/float8.h"

#include <gtest/gtest.h>

#include <bit>
#include <fstream>
#include <map>
#include <string>

namespace nwc {
namespace {

// Every code of every kind, against PyTorch's conversion (tests/data/float8/make.py).
TEST(Float8, EveryCodeIsWhatPyTorchMakesOfIt) {
  std::ifstream file(std::string(NWC_SOURCE_DIR) + "/tests/data/float8/values.txt");
  std::map<std::string, int> seen;
  std::string kind, hex;
  unsigned code = 0;
  while (file >> kind >> code >> hex) {
    const float expected = std::bit_cast<float>(static_cast<uint32_t>(std::stoul(hex, nullptr, 16)));
    const float value =
        kind == "F8_E8M0" ? float_from_e8m0(static_cast<uint8_t>(code)) : float8_values(*dtype_from_name(kind))[code];
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(value)) << kind << " " << code;
    } else {
      EXPECT_EQ(std::bit_cast<uint32_t>(value), std::bit_cast<uint32_t>(expected)) << kind << " " << code;
    }
    ++seen[kind];
  }
  EXPECT_EQ(seen, (std::map<std::string, int>{{"F8_E4M3", 256}, {"F8_E5M2", 256}, {"F8_E8M0", 256}}));
}

}  // namespace
}  // namespace nwc
