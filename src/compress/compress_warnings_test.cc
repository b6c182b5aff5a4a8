#include "compress/compress_warnings.h"

#include <gtest/gtest.h>

#include "support/safetensors_builder.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

CompressedTensorReport tensor(const std::string& name, std::vector<uint64_t> shape, std::vector<size_t> unseen) {
  CompressedTensorReport report{.name = name, .shape = std::move(shape)};
  report.notes.unseen_matrices = std::move(unseen);
  return report;
}

TEST(UnseenExperts, AreCountedAndTheFirstAreNamed) {
  std::vector<CompressedTensorReport> tensors{tensor("a", {16, 16}, {})};
  EXPECT_FALSE(unseen_experts_warning(tensors));
  tensors.push_back(tensor("fused", {4, 16, 16}, {1, 3}));
  tensors.push_back(tensor("experts.0", {16, 16}, {0}));
  EXPECT_EQ(unseen_experts_warning(tensors),
            "no token reached 3 experts' matrices in calibration, so that all their inputs count alike: fused [1, 3], "
            "experts.0");
  for (const char* name : {"experts.1", "experts.2", "experts.3"}) tensors.push_back(tensor(name, {16, 16}, {0}));
  EXPECT_EQ(unseen_experts_warning(tensors),
            "no token reached 6 experts' matrices in calibration, so that all their inputs count alike: fused [1, 3], "
            "experts.0, experts.1 and 2 more");
}

TEST(Mxfp4Warning, NamesTensorsWithBlocksAndScales) {
  const auto warning = [](const testing::SafetensorsBuilder& file) {
    const testing::TempDir dir;
    dir.add("model.safetensors", file.bytes());
    return mxfp4_warning(*Checkpoint::open(dir.path()));
  };
  const std::string blocks(32, 'b'), scales(2, 's');
  EXPECT_FALSE(warning(testing::SafetensorsBuilder().add("x_blocks", "U8", {1, 2, 1, 16}, blocks)));
  EXPECT_FALSE(warning(
      testing::SafetensorsBuilder().add("x_blocks", "U8", {32}, blocks).add("x_scales", "U8", {1, 2, 1}, scales)));
  EXPECT_EQ(warning(testing::SafetensorsBuilder()
                        .add("x_blocks", "U8", {1, 2, 1, 16}, blocks)
                        .add("x_scales", "U8", {1, 2, 1}, scales)),
            "1 tensors in MXFP4 stay as they are, with 4.25 bits per weight; to compress them too, store the "
            "checkpoint in BF16 first: x");
}

}  // namespace
}  // namespace nwc
