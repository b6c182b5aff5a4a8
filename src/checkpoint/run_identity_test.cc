#include "checkpoint/run_identity.h"

#include <gtest/gtest.h>

#include "nwcodec/checkpoint.h"
#include "nwcodec/version.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

RunIdentity example(double rate = 0.1) {
  RunIdentity identity("compress");
  identity.add("bits", rate);
  identity.add("force", true);
  identity.add("seed", uint64_t{18446744073709551615u});
  identity.add("text", "a\nb: c\\\x7f");
  identity.add_hash("codec", 0xabc);
  identity.add_each("include", {"x", "y"});
  return identity;
}

TEST(RunIdentity, IsReadableText) {
  EXPECT_EQ(example().text(), "command: compress\nnwcodec: " NWCODEC_VERSION_STRING
                              "\nbits: 0.1\nforce: yes\nseed: 18446744073709551615\ntext: a\\x0ab: c\\x5c\\x7f\n"
                              "codec: 0000000000000abc\ninclude 1: x\ninclude 2: y\n");
  EXPECT_EQ(example().digest().size(), 16u);
  EXPECT_NE(example().digest(), example(0.1 + 1e-16).digest()) << "every bit of a number counts";
}

TEST(RunIdentity, ADifferenceNamesTheFirstLine) {
  const auto difference = [](const RunIdentity& a, const RunIdentity& b) {
    return RunIdentity::difference(a.text(), b.text());
  };
  EXPECT_EQ(difference(example(), example()), "");
  EXPECT_EQ(difference(example(0.5), example(2)), "was started with bits 0.5, this run has 2");
  RunIdentity longer = example();
  longer.add("level", 3);
  EXPECT_EQ(difference(example(), longer), "was started without level, this run has 3");
  EXPECT_EQ(difference(longer, example()), "was started with level 3, this run has none");
  EXPECT_NE(difference(RunIdentity("compress"), RunIdentity("decompress")), "");
  EXPECT_EQ(RunIdentity::difference("a: 1\nb: 2\n", "b: 2\na: 1\n"),
            "was started with the same lines in another order");
  EXPECT_NE(RunIdentity::difference("nwcodec 0123456789abcdef\n", example().text()), "");
}

TEST(RunIdentity, OneBitOfAWeightIsAnotherRun) {
  const testing::TempDir dir;
  const auto text_with = [&](float weight) {
    dir.add("model.safetensors",
            testing::SafetensorsBuilder().add("w", "F32", {2}, testing::raw<float>({1, weight})).bytes());
    RunIdentity identity("compress");
    identity.add_weights("weights", *Checkpoint::open(dir.path()), 1);
    return identity.text();
  };
  const std::string text = text_with(2);
  EXPECT_NE(text.find("\nweights model.safetensors: "), std::string::npos) << text;
  EXPECT_EQ(text, text_with(2));
  EXPECT_NE(text, text_with(3));
}

}  // namespace
}  // namespace nwc
