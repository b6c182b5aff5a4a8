#include "base/spelling.h"

#include <gtest/gtest.h>

#include <vector>

namespace nwc {
namespace {

TEST(Spelling, FindsTheClosest) {
  const std::vector<std::string> words = {"self_attn", "mlp", "lm_head", "up_proj"};
  EXPECT_EQ(closest("self_atn", words), "self_attn");
  EXPECT_EQ(closest("lm_haed", words), "lm_head");
  EXPECT_EQ(closest("upproj", words), "up_proj");
  EXPECT_EQ(closest("mlp", words), "mlp");
  EXPECT_EQ(closest("mpl", words), "mlp");
  EXPECT_EQ(closest("router", words), "");
  EXPECT_EQ(closest("x", words), "");
  EXPECT_EQ(closest("", words), "");
  EXPECT_EQ(closest(std::string(1000, 'a'), words), "");
}

}  // namespace
}  // namespace nwc
