#include <gtest/gtest.h>

#include <cmath>

#include "support/method_matrix.h"

namespace nwc {
namespace {

using testing::MethodMatrix;

// Scales alone, clipping alone and both lower the layer's error, by the search for the least.
TEST(Awq, SearchesNeverMakeALayerWorse) {
  const MethodMatrix m(64, 128, 0.5, 3);
  const double nearest = m.layer_error(m.by("round-to-nearest:group=64", 3).decoded);
  const double neither = m.layer_error(m.by("awq:group=64:scale=0:clip=0", 3).decoded);
  EXPECT_DOUBLE_EQ(neither, nearest) << "alpha = 0, no cut: round to nearest";
  const double scaled = m.layer_error(m.by("awq:group=64:clip=0", 3).decoded),
               clipped = m.layer_error(m.by("awq:group=64:scale=0", 3).decoded),
               both = m.layer_error(m.by("awq:group=64", 3).decoded);
  EXPECT_LT(scaled, 0.95 * neither) << "inputs of very different sizes";
  EXPECT_LT(clipped, neither);
  EXPECT_LT(both, scaled);
}

// An attention's output projection whose value projection has other channels gets no scales; without one it is not an
// attention's, or the block is not known.
TEST(Awq, ScalesNeedSomethingThatAbsorbsThem) {
  const MethodMatrix plain(64, 128, 0.5, 3, "model.layers.0.mlp.down_proj.weight"),
      output(64, 128, 0.5, 3, "model.layers.0.self_attn.o_proj.weight");
  EXPECT_EQ(output.by("awq:clip=0", 3).decoded, output.by("awq:clip=0:scale=0", 3).decoded);
  EXPECT_NE(plain.by("awq:clip=0", 3).decoded, plain.by("awq:clip=0:scale=0", 3).decoded);
}

TEST(Awq, QueryAndKeyAreNotClipped) {
  const MethodMatrix q(32, 128, 0.5, 3, "model.layers.0.self_attn.q_proj.weight");
  EXPECT_EQ(q.by("awq", 3).decoded, q.by("awq:clip=0", 3).decoded);
  EXPECT_EQ(q.by("awq", 3).bits, 32 * 128 * 3 + 32 * (16 + 3));
}

}  // namespace
}  // namespace nwc
