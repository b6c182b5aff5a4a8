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
  for (const BlockLinear& linear : linears_of(attention)) list->add(linear.linear);
  if (attention.latent) {
    list->add(attention.latent->q_norm);
    list->add(attention.latent->norm);
  }
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
  void operator()(const AttentionSpec& attention) {
    if (attention.latent) {
      (*this)(attention.q, *attention.latent);
    } else if (attention.qkv) {
      add({&*attention.qkv});
    } else {
      add({&attention.q, &attention.k, &attention.v});
    }
    add({&attention.o});
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
    if (mixture.shared) std::visit([this](const auto& mlp) { (*this)(mlp); }, *mixture.shared);
  }
  std::vector<BlockLinear> take() && { return std::move(list_); }

 private:
  void operator()(const LinearSpec& q, const LatentSpec& latent) {
    if (latent.q_down) {
      add({&*latent.q_down, &latent.down});
      add({&q});
    } else {
      add({&latent.down, &q});
    }
    add({&latent.up});
  }

  std::vector<BlockLinear> list_;
  size_t inputs_ = 0;
  std::optional<int64_t> expert_;
};

}  // namespace

int64_t RopeSpec::rotary_dim(int64_t head_dim) const {
  return static_cast<int64_t>(static_cast<double>(head_dim) * partial);
}

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
  if (const MixtureSpec* mixture = std::get_if<MixtureSpec>(&block.mlp)) {
    list.add(mixture->router);
    list.add(TensorSpec{mixture->rule.choice_bias, {mixture->router.out_features}});
  }
  // What is left are linear layers, whose list starts with the attention's: those are listed already.
  for (const BlockLinear& linear : linears_of(block)) list.add(linear.linear);
  return std::move(list).take();
}

std::vector<BlockLinear> linears_of(const BlockSpec& block) {
  LinearList list;
  list(block.attention);
  std::visit([&](const auto& mlp) { list(mlp); }, block.mlp);
  return std::move(list).take();
}

std::vector<BlockLinear> linears_of(const AttentionSpec& attention) {
  LinearList list;
  list(attention);
  return std::move(list).take();
}

}  // namespace nwc
