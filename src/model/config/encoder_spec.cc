#include "model/config/encoder_spec.h"

#include <utility>

#include "model/config/tensor_list.h"

namespace nwc {
namespace {

void add(TensorList* list, const TokenInputSpec& input) {
  list->add(input.tokens);
  list->add(input.positions);
}

void add(TensorList* list, const PatchInputSpec& input) {
  for (const TensorSpec* tensor : {&input.projection, &input.projection_bias, &input.class_token, &input.positions}) {
    list->add(*tensor);
  }
  list->add(input.norm);
}

void add(TensorList*, const std::monostate&) {}
void add(TensorList*, const PositionPoolSpec&) {}
void add(TensorList* list, const AttentionPoolSpec& pool) {
  for (const TensorSpec* tensor : {&pool.probe, &pool.in_weight, &pool.in_bias}) list->add(*tensor);
  list->add(pool.out);
  list->add(pool.norm);
  list->add(pool.mlp.up);
  list->add(pool.mlp.down);
}

}  // namespace

std::vector<TensorSpec> tensors_of(const std::variant<TokenInputSpec, PatchInputSpec>& input) {
  TensorList list;
  std::visit([&](const auto& form) { add(&list, form); }, input);
  return std::move(list).take();
}

std::vector<TensorSpec> tensors_of(const EncoderOutputSpec& output) {
  TensorList list;
  list.add(output.norm);
  std::visit([&](const auto& pool) { add(&list, pool); }, output.pool);
  list.add(output.projection);
  return std::move(list).take();
}

std::vector<TensorSpec> tensors_of(const EncoderModelSpec& model) {
  TensorList list;
  for (const EncoderSpec& tower : model.towers) {
    list.add(tensors_of(tower.input));
    for (const BlockSpec& block : tower.blocks) list.add(tensors_of(block));
    list.add(tensors_of(tower.output));
  }
  if (model.similarity) {
    list.add(model.similarity->scale);
    list.add(model.similarity->bias);
  }
  return std::move(list).take();
}

}  // namespace nwc
