#include "compress/compress_warnings.h"

#include <gtest/gtest.h>

namespace nwc {
namespace {

TensorRecord tensor(const std::string& name, std::vector<uint64_t> shape, std::vector<size_t> unseen) {
  TensorRecord record{};
  record.name = name;
  record.shape = std::move(shape);
  record.encoding.emplace().notes.unseen_matrices = std::move(unseen);
  return record;
}

TEST(UnseenExperts, AreCountedAndTheFirstAreNamed) {
  std::vector<TensorRecord> tensors{tensor("a", {16, 16}, {})};
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

}  // namespace
}  // namespace nwc
