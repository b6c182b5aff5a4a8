#include "model/config/spec.h"

#include <utility>

namespace nwc {

void set_head(ModelSpec& model, std::string own_head, bool tied) {
  model.head = {tied ? model.embedding : own_head, "", model.hidden_size, model.vocab_size};
  model.own_head = std::move(own_head);
}

std::vector<TensorSpec> tensors_of(const ModelSpec& model) {
  std::vector<TensorSpec> list{{model.embedding, {model.vocab_size, model.hidden_size}}};
  for (const BlockSpec& block : model.blocks) {
    for (TensorSpec& tensor : tensors_of(block)) list.push_back(std::move(tensor));
  }
  list.push_back({model.final_norm.weight, {model.final_norm.features}});
  if (!model.final_norm.bias.empty()) list.push_back({model.final_norm.bias, {model.final_norm.features}});
  if (model.head.weight != model.embedding) list.push_back(model.head.weight_tensor());
  return list;
}

std::optional<int64_t> length_of_other_angles(const ModelSpec& model) {
  for (const BlockSpec& block : model.blocks) {
    const std::optional<RopeSpec>& rope = block.attention.rope;
    if (rope && rope->scaling == RopeSpec::Scaling::kLong) return rope->original_positions + 1;
  }
  return std::nullopt;
}

}  // namespace nwc
