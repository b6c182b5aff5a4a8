#include "model/config/block_spec.h"

#include <utility>

#include "model/config/tensor_list.h"

namespace nwc {
namespace {

void add(TensorList* list, const ResidualSpec& path) {
  list->add(path.norm);
  list->add(path.post_norm);
  list->add(path.scale);
}

void add(TensorList* list, const AttentionSpec& attention) {
  for (const LinearSpec* linear : {&attention.q, &attention.k, &attention.v, &attention.o}) list->add(*linear);
  list->add(attention.q_norm);
  list->add(attention.k_norm);
  list->add(TensorSpec{attention.sinks, {attention.heads}});
}

// Layers in the order of computation.
class LinearList {
 public:
  // Layers that read the same input.
  void add(std::initializer_list<const LinearSpec*> together) {
    for (const LinearSpec* linear : together) list_.push_back({*linear, inputs_, expert_});
    ++inputs_;
  }
  void operator()(const PlainMlpSpec& mlp) {
    add({&mlp.up});
    add({&mlp.down});
  }
  void operator()(const GatedMlpSpec& mlp) {
    add({&mlp.gate, &mlp.up});
    add({&mlp.down});
  }
  void operator()(const FusedGateMlpSpec& mlp) {
    add({&mlp.gate_up});
    add({&mlp.down});
  }
  void operator()(const MixtureSpec& mixture) {
    for (size_t i = 0; i < mixture.experts.size(); ++i) {
      expert_ = static_cast<int64_t>(i);
      std::visit([this](const auto& mlp) { (*this)(mlp); }, mixture.experts[i]);
    }
    expert_.reset();
  }
  std::vector<BlockLinear> take() && { return std::move(list_); }

 private:
  std::vector<BlockLinear> list_;
  size_t inputs_ = 0;
  std::optional<int64_t> expert_;
};

}  // namespace

TensorSpec LinearSpec::weight_tensor() const {
  if (!slice) return {weight, {out_features, in_features}};
  if (slice->transposed) return {weight, {slice->count, in_features, out_features}};
  return {weight, {slice->count, out_features, in_features}};
}

TensorSpec LinearSpec::bias_tensor() const {
  if (!slice) return {bias, {out_features}};
  return {bias, {slice->count, out_features}};
}

std::vector<TensorSpec> tensors_of(const BlockSpec& block) {
  TensorList list;
  add(&list, block.attention_path);
  add(&list, block.attention);
  add(&list, block.mlp_path);
  if (const MixtureSpec* mixture = std::get_if<MixtureSpec>(&block.mlp)) list.add(mixture->router);
  // What is left are linear layers, whose list starts with the attention's: those are listed already.
  for (const BlockLinear& linear : linears_of(block)) list.add(linear.linear);
  return std::move(list).take();
}

std::vector<BlockLinear> linears_of(const BlockSpec& block) {
  LinearList list;
  list.add({&block.attention.q, &block.attention.k, &block.attention.v});
  list.add({&block.attention.o});
  std::visit([&](const auto& mlp) { list(mlp); }, block.mlp);
  return std::move(list).take();
}

}  // namespace nwc
