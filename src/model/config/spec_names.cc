#include "model/config/spec_names.h"

#include <optional>
#include <variant>

namespace nwc {
namespace {

class NameList {
 public:
  void add(std::string& name) { list_.push_back(&name); }
  void add(TensorSpec& tensor) { add(tensor.name); }
  void add(LinearSpec& linear) {
    add(linear.weight);
    add(linear.bias);
  }
  void add(NormSpec& norm) {
    add(norm.weight);
    add(norm.bias);
  }
  void add(ResidualSpec& path) {
    add(path.norm);
    add(path.post_norm);
    add(path.scale);
  }
  void add(AttentionSpec& attention) {
    for (LinearSpec* linear : {&attention.q, &attention.k, &attention.v, &attention.o}) add(*linear);
    add(attention.qkv);
    add(attention.latent);
    add(attention.q_norm);
    add(attention.k_norm);
    add(attention.sinks);
  }
  void add(LatentSpec& latent) {
    add(latent.down);
    add(latent.up);
    add(latent.norm);
    add(latent.q_down);
    add(latent.q_norm);
  }
  void add(PlainMlpSpec& mlp) {
    add(mlp.up);
    add(mlp.down);
  }
  void add(GatedMlpSpec& mlp) {
    add(mlp.gate);
    add(mlp.up);
    add(mlp.down);
  }
  void add(FusedGateMlpSpec& mlp) {
    add(mlp.gate_up);
    add(mlp.down);
  }
  void add(MixtureSpec& mixture) {
    add(mixture.router);
    add(mixture.rule.choice_bias);
    for (DenseMlpSpec& expert : mixture.experts) add(expert);
    add(mixture.shared);
  }
  void add(BlockSpec& block) {
    add(block.attention_path);
    add(block.attention);
    add(block.mlp_path);
    add(block.mlp);
  }
  void add(TokenInputSpec& input) {
    add(input.tokens);
    add(input.positions);
  }
  void add(PatchInputSpec& input) {
    for (TensorSpec* tensor : {&input.projection, &input.projection_bias, &input.class_token, &input.positions})
      add(*tensor);
    add(input.norm);
  }
  void add(std::monostate&) {}
  void add(PositionPoolSpec&) {}
  void add(AttentionPoolSpec& pool) {
    for (TensorSpec* tensor : {&pool.probe, &pool.in_weight, &pool.in_bias}) add(*tensor);
    add(pool.out);
    add(pool.norm);
    add(pool.mlp);
  }
  void add(EncoderSpec& tower) {
    add(tower.input);
    for (BlockSpec& block : tower.blocks) add(block);
    add(tower.output.norm);
    add(tower.output.pool);
    add(tower.output.projection);
  }
  void add(SimilaritySpec& similarity) {
    add(similarity.scale);
    add(similarity.bias);
  }
  template <class Spec>
  void add(std::optional<Spec>& spec) {
    if (spec) add(*spec);
  }
  template <class... Specs>
  void add(std::variant<Specs...>& spec) {
    std::visit([this](auto& form) { add(form); }, spec);
  }
  std::vector<std::string*> take() && { return std::move(list_); }

 private:
  std::vector<std::string*> list_;
};

}  // namespace

std::vector<std::string*> names_in(BlockSpec& block) {
  NameList list;
  list.add(block);
  return std::move(list).take();
}

std::vector<std::string*> names_in(ModelSpec& model) {
  NameList list;
  list.add(model.embedding);
  for (BlockSpec& block : model.blocks) list.add(block);
  list.add(model.final_norm);
  list.add(model.head);
  list.add(model.own_head);
  return std::move(list).take();
}

std::vector<std::string*> names_in(EncoderModelSpec& model) {
  NameList list;
  for (EncoderSpec& tower : model.towers) list.add(tower);
  list.add(model.similarity);
  return std::move(list).take();
}

}  // namespace nwc
