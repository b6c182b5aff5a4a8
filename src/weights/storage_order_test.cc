#include "weights/storage_order.h"

#include <gtest/gtest.h>

namespace nwc {
namespace {

enum class Order { kOutputsFirst, kInputsFirst, kGuess };

Order order(const std::string& name, const std::vector<uint64_t>& shape, const ModelKind& model) {
  const StorageOrder found = StorageOrder::of({name, DType::kF32, shape, {}, 0}, model);
  EXPECT_TRUE(found.known || !found.transposed) << "a guess is the order of a Linear";
  if (!found.known) return Order::kGuess;
  return found.transposed ? Order::kInputsFirst : Order::kOutputsFirst;
}

const std::string kExperts = "model.layers.0.mlp.experts.gate_up_proj", kAttention = "h.0.attn.c_attn.weight";

TEST(StorageOrder, Conv1dFamilies) {
  for (const char* type : {"gpt2", "openai-gpt", "imagegpt", "decision_transformer", "jais"}) {
    for (const char* name : {"h.0.attn.c_attn.weight", "transformer.h.3.mlp.c_fc.weight", "h.0.mlp.c_proj.weight",
                             "h.0.crossattention.q_attn.weight"})
      EXPECT_EQ(order(name, {64, 192}, {.type = type}), Order::kInputsFirst) << type << " " << name;
    EXPECT_EQ(order("wte.weight", {320, 64}, {.type = type}), Order::kOutputsFirst) << "no Conv1D";
    EXPECT_EQ(order("score.weight", {16, 64}, {.type = type}), Order::kOutputsFirst);
  }
  EXPECT_EQ(order(kAttention, {192, 64}, {.type = "gpt_bigcode"}), Order::kOutputsFirst);
  EXPECT_EQ(order(kAttention, {192, 64}, {.type = "unheard_of"}), Order::kGuess);
  EXPECT_EQ(order(kAttention, {64, 192}, {.type = "vision-encoder-decoder", .inner_types = {"vit", "gpt2"}}),
            Order::kInputsFirst);
  EXPECT_EQ(order("model.layers.0.mlp.up_proj.weight", {112, 64}, {.type = "unheard_of"}), Order::kOutputsFirst);
}

TEST(StorageOrder, FusedExperts) {
  for (const char* type : {"gpt_oss", "llama4", "llama4_text", "qwen3_vl_moe", "qwen3_vl_moe_text", "aria"})
    EXPECT_EQ(order(kExperts, {4, 64, 64}, {.type = type}), Order::kInputsFirst) << type;
  for (const char* type : {"qwen3_moe", "mixtral", "granitemoe"})
    EXPECT_EQ(order(kExperts, {4, 64, 64}, {.type = type}), Order::kOutputsFirst) << type;
  EXPECT_EQ(order(kExperts, {4, 64, 64}, {.type = "internvl", .inner_types = {"gpt_oss"}}), Order::kInputsFirst);
}

TEST(StorageOrder, OfUnknownFamiliesIsToldByTheHiddenSize) {
  const ModelKind model{.type = "unheard_of", .hidden_size = 64};
  const std::string down = "model.layers.0.mlp.experts.down_proj";
  EXPECT_EQ(order(kExperts, {4, 64, 96}, model), Order::kInputsFirst);
  EXPECT_EQ(order(kExperts, {4, 96, 64}, model), Order::kOutputsFirst);
  EXPECT_EQ(order(down, {4, 48, 64}, model), Order::kInputsFirst);
  EXPECT_EQ(order(down, {4, 64, 48}, model), Order::kOutputsFirst);
  EXPECT_EQ(order("l.0.experts.w2.weight", {4, 64, 48}, model), Order::kOutputsFirst);
  EXPECT_EQ(order(down, {4, 64, 64}, model), Order::kGuess) << "square";
  EXPECT_EQ(order(down, {4, 48, 96}, model), Order::kGuess) << "neither side";
  EXPECT_EQ(order("l.0.experts.mix", {4, 64, 48}, model), Order::kGuess) << "which product?";
  EXPECT_EQ(order(down, {4, 64, 48}, {}), Order::kGuess) << "no config.json";
}

TEST(StorageOrder, SizesComeBeforeTheType) {
  const ModelKind model{.type = "qwen3_vl_moe", .hidden_size = 64};
  EXPECT_EQ(order(kExperts, {4, 64, 96}, model), Order::kInputsFirst) << "as published";
  EXPECT_EQ(order(kExperts, {4, 96, 64}, model), Order::kOutputsFirst) << "as transformers saves it";
  EXPECT_EQ(order("model.layers.0.mlp.experts.down_proj", {4, 64, 48}, model), Order::kOutputsFirst);
  EXPECT_EQ(order(kExperts, {4, 64, 64}, model), Order::kInputsFirst) << "square: by the type";
}

}  // namespace
}  // namespace nwc
