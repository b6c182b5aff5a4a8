// Tied models whose checkpoints hold other tensors than config.json says, and models without a head.
#include "model/parameters/stored_head.h"

#include <gtest/gtest.h>

#include "libtorch/tensors.h"
#include "model/causal_lm.h"
#include "support/toy_checkpoint.h"

namespace nwc {
namespace {

using testing::TempDir;
using testing::toy_config;
using testing::toy_tensors;
using testing::ToyTensors;

constexpr const char* kHead = "lm_head.weight";
constexpr const char* kEmbedding = "model.embed_tokens.weight";

struct Read {
  at::Tensor logits;
  std::vector<std::string> warnings;
};

Read read(const ToyTensors& tensors, bool tied, bool resident) {
  const torch::NoGradGuard no_gradients;
  const TempDir dir;
  testing::write_toy_checkpoint(dir, tensors, tied ? toy_config("\"tie_word_embeddings\": true") : testing::kToyConfig);
  const Result<CausalLm> model =
      CausalLm::open(dir.path(), {.residency = resident ? Residency::kAll : Residency::kNone});
  EXPECT_TRUE(model) << model.error().to_string();
  if (!model) return {};
  at::Tensor hidden = (*model->embedding())->forward(torch::arange(16).unsqueeze(0));
  for (size_t i = 0; i < model->blocks(); ++i) hidden = (*model->block(i))->forward(hidden, {});
  return {(*model->head())->forward(hidden), model->warnings()};
}

class StoredHead : public ::testing::TestWithParam<bool> {
 protected:
  StoredHead() { same_[kHead] = same_[kEmbedding]; }
  const ToyTensors different_ = toy_tensors(1);  // head and embedding differ
  ToyTensors same_ = different_;
};

TEST_P(StoredHead, OnlyTheHeadIsTheEmbeddingToo) {
  ToyTensors tensors = same_;
  tensors.erase(kEmbedding);
  const Read one = read(tensors, true, GetParam());
  EXPECT_TRUE(torch::equal(one.logits, read(same_, false, GetParam()).logits));
  EXPECT_TRUE(one.warnings.empty());
}

TEST_P(StoredHead, TwoThatDifferAreTwo) {
  const Read two = read(different_, true, GetParam());
  EXPECT_TRUE(torch::equal(two.logits, read(different_, false, GetParam()).logits));
  ASSERT_EQ(two.warnings.size(), 1u);
  EXPECT_EQ(two.warnings[0],
            "lm_head.weight differs from model.embed_tokens.weight, though config.json ties them; each is used as it "
            "is stored (set tie_word_embeddings to false to say so)");
}

TEST_P(StoredHead, TwoThatAgreeAreOne) {
  const Read two = read(same_, true, GetParam());
  EXPECT_TRUE(torch::equal(two.logits, read(same_, false, GetParam()).logits));
  EXPECT_TRUE(two.warnings.empty());
}

INSTANTIATE_TEST_SUITE_P(Residence, StoredHead, ::testing::Bool());

TEST(HeadlessModel, HasBlocksButPredictsNothing) {
  ToyTensors tensors = toy_tensors(1);
  tensors.erase(kHead);
  tensors.erase("model.norm.weight");
  const TempDir dir;
  testing::write_toy_checkpoint(dir, tensors);
  const Result<CausalLm> model = CausalLm::open(dir.path(), {.head = false});
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_TRUE(model->block(1));

  tensors["model.norm.weight"] = toy_tensors(1)["model.norm.weight"];
  testing::write_toy_checkpoint(dir, tensors);
  const Result<CausalLm> whole = CausalLm::open(dir.path(), {});
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(whole.error().to_string(),
            dir.path().string() +
                ": tensor 'lm_head.weight': is missing: without a head no tokens are predicted; if the embedding is "
                "the head, set tie_word_embeddings to true; compress and calibrate need no head");
}

TEST(LeftOutSizes, AreNamedWhereTheyDoNotFit) {
  std::string config = testing::kToyConfig;
  const std::string key = "\"intermediate_size\": 12,";
  config.erase(config.find(key), key.size());
  const TempDir dir;
  testing::write_toy_checkpoint(dir, toy_tensors(1), config);
  const Result<CausalLm> model = CausalLm::open(dir.path(), {});
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().to_string(),
            dir.path().string() +
                ": tensor 'model.layers.0.mlp.gate_proj.weight': has shape [12, 8] where config.json asks for "
                "[11008, 8]; config.json leaves out intermediate_size (11008), the family's default");
}

TEST(HeadlessModel, TiedToNothingIsNoModel) {
  ToyTensors tensors = toy_tensors(1);
  tensors.erase(kHead);
  tensors.erase(kEmbedding);
  const TempDir dir;
  testing::write_toy_checkpoint(dir, tensors, toy_config("\"tie_word_embeddings\": true"));
  const Result<CausalLm> model = CausalLm::open(dir.path(), {});
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().tensor(), kEmbedding);
}

}  // namespace
}  // namespace nwc
