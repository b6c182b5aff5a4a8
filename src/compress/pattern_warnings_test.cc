#include "compress/pattern_warnings.h"

#include <gtest/gtest.h>

#include "support/tiny_checkpoint.h"

namespace nwc {
namespace {

using Lines = std::vector<std::string>;

Lines warnings_for(const SelectionOptions& options) {
  const testing::TinyCheckpoint tiny;
  return *pattern_warnings(*Checkpoint::open(tiny.model()), options);
}

TEST(PatternWarnings, NameNearMisses) {
  EXPECT_EQ(warnings_for({.include = {}, .exclude = {"self_atn"}}),
            Lines{"--exclude 'self_atn' matches no tensor; did you mean 'self_attn'?"});
  EXPECT_EQ(warnings_for({.include = {"^lm_haed\\."}, .exclude = {}}),
            Lines{"--include '^lm_haed\\.' matches no tensor; did you mean '^lm_head\\.'?"});
  EXPECT_EQ(warnings_for({.include = {}, .exclude = {"vision_tower"}}),
            Lines{"--exclude 'vision_tower' matches no tensor; nwcodec compress MODEL --list shows their names"});
}

TEST(PatternWarnings, SayWhatCannotBeCompressed) {
  EXPECT_EQ(
      warnings_for({.include = {"layers.0.norm"}, .exclude = {}}),
      Lines{"--include 'layers.0.norm' matches no tensor that can be compressed: model.layers.0.norm.weight has 1 "
            "dimension: only matrices and batches of matrices are compressed"});
}

TEST(PatternWarnings, AreSilentAboutPatternsThatDoSomething) {
  EXPECT_EQ(warnings_for({.include = {"embed"}, .exclude = {"q_proj", "norm"}}), Lines{});
}

}  // namespace
}  // namespace nwc
