// The kernels themselves, without the binding.
#include "entropy/rans_kernel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "entropy/tile_decoder.h"
#include "support/coded_tile.h"

namespace nwc {
namespace {

using namespace testing;

struct KernelRun {
  std::vector<uint32_t> states;
  std::vector<uint8_t> symbols;
  std::vector<uint16_t> raws;
  RansOutcome outcome;
};

KernelRun run_kernel(Isa isa, const TileSample& sample, const std::vector<std::byte>& words, uint32_t seed) {
  const DecodingTables decoding(sample.coding.tables);
  const size_t stride = (sample.coding.shape.chunks + 31) / 32 * 32;
  KernelRun run{std::vector<uint32_t>(32), std::vector<uint8_t>(3 * stride), std::vector<uint16_t>(3 * stride), {}};
  std::mt19937 random(seed);
  alignas(64) uint32_t states[32];
  for (uint32_t& s : states) s = (1u << 16) + static_cast<uint32_t>(random() % 0xFFFF0000u);
  const RansTile tile{decoding.kernel_tables(),
                      sample.coding.view(),
                      3,
                      sample.coding.shape.chunks,
                      sample.coding.shape.run_groups,
                      states,
                      words.data(),
                      words.size() / 2,
                      run.symbols.data(),
                      run.raws.data(),
                      stride};
  rans_decode_kernel(isa)(&tile, 1, &run.outcome);
  std::copy(states, states + 32, run.states.begin());
  return run;
}

TEST(RansKernel, EveryInstructionSetGivesTheSameOnAnyWords) {
  std::mt19937 random(21);
  int complete = 0;
  for (uint32_t round = 0; round < 400; ++round) {
    const TileSample sample(round % 5, 1 + static_cast<uint32_t>(random() % 300));
    std::vector<std::byte> words(2 * (random() % 1200));
    for (std::byte& b : words) b = static_cast<std::byte>(random());
    const KernelRun reference = run_kernel(Isa::kScalar, sample, words, round);
    complete += !reference.outcome.exhausted;
    for (const Isa isa : available_isas()) {
      const KernelRun run = run_kernel(isa, sample, words, round);
      ASSERT_EQ(run.outcome.exhausted, reference.outcome.exhausted) << name_of(isa);
      if (reference.outcome.exhausted) continue;
      ASSERT_EQ(run.outcome.words_used, reference.outcome.words_used) << name_of(isa);
      ASSERT_EQ(run.states, reference.states) << name_of(isa);
      const size_t stride = run.symbols.size() / 3;
      for (size_t c = 0; c < 3; ++c) {
        for (size_t i = c * stride; i < c * stride + sample.coding.shape.chunks; ++i) {
          ASSERT_EQ(run.symbols[i], reference.symbols[i]) << name_of(isa);
          ASSERT_EQ(run.raws[i], reference.raws[i]) << name_of(isa);
        }
      }
    }
  }
  EXPECT_GT(complete, 100);
  EXPECT_LT(complete, 390);
}

}  // namespace
}  // namespace nwc
