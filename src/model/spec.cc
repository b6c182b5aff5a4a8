#include "model/spec.h"

namespace nwc {
namespace {

void add(std::vector<TensorSpec>& list, const LinearSpec& linear) {
  list.push_back({linear.weight, {linear.out_features, linear.in_features}});
  if (!linear.bias.empty()) list.push_back({linear.bias, {linear.out_features}});
}

void add(std::vector<TensorSpec>& list, const RmsNormSpec& norm) { list.push_back({norm.weight, {norm.features}}); }

void add(std::vector<TensorSpec>& list, const AttentionSpec& attention) {
  for (const LinearSpec* linear : {&attention.q, &attention.k, &attention.v, &attention.o}) add(list, *linear);
  if (attention.q_norm) add(list, *attention.q_norm);
  if (attention.k_norm) add(list, *attention.k_norm);
}

void add(std::vector<TensorSpec>& list, const GatedMlpSpec& mlp) {
  for (const LinearSpec* linear : {&mlp.gate, &mlp.up, &mlp.down}) add(list, *linear);
}

}  // namespace

std::vector<TensorSpec> tensors_of(const BlockSpec& block) {
  std::vector<TensorSpec> list;
  add(list, block.attention_norm);
  add(list, block.attention);
  add(list, block.mlp_norm);
  add(list, block.mlp);
  return list;
}

std::vector<TensorSpec> tensors_of(const ModelSpec& model) {
  std::vector<TensorSpec> list{{model.embedding, {model.vocab_size, model.hidden_size}}};
  for (const BlockSpec& block : model.blocks) {
    for (TensorSpec& tensor : tensors_of(block)) list.push_back(std::move(tensor));
  }
  add(list, model.final_norm);
  if (model.head.weight != model.embedding) add(list, model.head);
  return list;
}

}  // namespace nwc
