#include "entropy/symbol_values.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace nwc {
namespace {

TEST(SymbolValues, EveryInstructionSetGivesWhatMapsSay) {
  std::mt19937 random(9);
  for (int round = 0; round < 60; ++round) {
    std::vector<SymbolMap> maps;
    std::vector<uint32_t> packed;
    for (int m = 0; m < 12; ++m) {
      const uint32_t shift = round % 3 == 0 ? static_cast<uint32_t>(random() % 8) : 0;
      const uint32_t count = 1 + static_cast<uint32_t>(random() % 255);
      const int32_t least = -32767, most = 32767 - static_cast<int32_t>(count << shift);
      maps.push_back({least + static_cast<int32_t>(random() % static_cast<uint32_t>(most - least + 1)), shift, count});
      packed.push_back(packed_map(maps.back()));
    }
    const Context odd = round % 2 == 0 ? 0 : 6;
    const size_t count = random() % 200;
    std::vector<uint8_t> symbols(count);
    std::vector<uint16_t> raws(count);
    std::vector<Context> contexts(count);
    std::vector<float> expected;
    std::vector<uint32_t> masks((count + 31) / 32);
    for (size_t i = 0; i < count; ++i) {
      contexts[i] = static_cast<Context>(random() % maps.size());
      const SymbolMap& map = maps[contexts[i]];
      symbols[i] = static_cast<uint8_t>(random() % (map.count + 1));
      raws[i] = static_cast<uint16_t>(map.shift > 0 ? random() % (1u << map.shift) : random());
      const int32_t value = map.value_of(symbols[i], map.shift > 0 ? raws[i] : 0);
      expected.push_back(static_cast<float>(odd == 0 ? value : 2 * value + (contexts[i] >= odd ? 1 : 0)));
      if (symbols[i] == map.escape()) masks[i / 32] |= 1u << i % 32;
    }
    const SymbolRow row{symbols.data(), raws.data(), contexts.data(), count, packed.data(), odd};
    for (const Isa isa : available_isas()) {
      std::vector<float> values(count);
      std::vector<uint32_t> found(masks.size(), ~0u);
      symbol_values(row, values.data(), found.data(), isa);
      EXPECT_EQ(values, expected) << name_of(isa);
      EXPECT_EQ(found, masks) << name_of(isa);
    }
  }
}

}  // namespace
}  // namespace nwc
