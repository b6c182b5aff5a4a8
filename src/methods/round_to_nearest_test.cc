#include <gtest/gtest.h>

#include "methods/integer_grid.h"
#include "support/method_matrix.h"

namespace nwc {
namespace {

using testing::MethodMatrix;

std::vector<float> rounded(const std::vector<float>& row, const GridOptions& options) {
  const IntegerGrid grid = grid_of(row.data(), row.size(), 1, options);
  std::vector<float> out;
  for (const float w : row) out.push_back(grid.round(w));
  return out;
}

// Worked out by hand at two bits. (-1, 0.5, 2) has step 1 and zero 1, so 0.5 / 1 rounds to 0 (ties to even); (3, 2.4)
// reaches from 0 to 3; (-0.75, -0.3) has step 0.25 and zero 3. Symmetric: (-1, 0.5, 3) has step 2 and zero 2.
TEST(IntegerGrid, Literal) {
  const GridOptions two{.bits = 2};
  EXPECT_EQ(rounded({-1, 0.5f, 2}, two), (std::vector<float>{-1, 0, 2}));
  EXPECT_EQ(rounded({3, 2.4f}, two), (std::vector<float>{3, 2}));
  EXPECT_EQ(rounded({-0.75f, -0.3f}, two), (std::vector<float>{-0.75f, -0.25f}));
  EXPECT_EQ(rounded({0, 0}, two), (std::vector<float>{0, 0}));
  EXPECT_EQ(rounded({-1, 0.5f, 3}, {.bits = 2, .symmetric = true}), (std::vector<float>{0, 0, 2}));
  EXPECT_EQ(two.stored_bits(), 18);
  EXPECT_EQ((GridOptions{.bits = 2, .symmetric = true}.stored_bits()), 16);
}

TEST(RoundToNearest, EveryGroupOnItsOwnGridAndAllBitsCounted) {
  const MethodMatrix m(20, 80, 0.9, 1);
  const QuantisedMatrix made = m.by("round-to-nearest:group=32", 3);
  EXPECT_EQ(made.bits, 20 * 80 * 3 + 20 * 3 * (16 + 3)) << "a short last group has a grid, too";
  for (uint64_t r = 0; r < 20; ++r) {
    for (uint64_t g = 0; g < 80; g += 32) {
      const std::vector<float> group(
          m.weights().begin() + static_cast<std::ptrdiff_t>(r * 80 + g),
          m.weights().begin() + static_cast<std::ptrdiff_t>(r * 80 + std::min<uint64_t>(80, g + 32)));
      const std::vector<float> expected = rounded(group, {.bits = 3});
      for (size_t k = 0; k < group.size(); ++k) ASSERT_EQ(made.decoded[r * 80 + g + k], expected[k]);
    }
  }
}

TEST(RoundToNearest, FeedbackLowersTheLayersError) {
  const MethodMatrix m(48, 96, 0.9, 1);
  EXPECT_LT(m.layer_error(m.by("round-to-nearest:group=32:feedback=1", 3).decoded),
            0.7 * m.layer_error(m.by("round-to-nearest:group=32", 3).decoded));
}

}  // namespace
}  // namespace nwc
