#include "model/layers/ends.h"

#include <optional>
#include <utility>

#include "libtorch/tensors.h"
#include "model/layers/layers.h"

namespace nwc {

struct Head::Layers {
  Norm norm;
  Linear linear;
  double scale = 1;
  std::optional<double> softcap;
};

Result<Embedding> Embedding::load(const ModelSpec& model, const ParameterSource& source) {
  NWC_ASSIGN_OR_RETURN(at::Tensor table, source.load({model.embedding, {model.vocab_size, model.hidden_size}}));
  return Embedding(std::make_shared<const at::Tensor>(std::move(table)), model.embedding_scale);
}

at::Tensor Embedding::forward(const at::Tensor& ids) const {
  const at::Tensor hidden = torch::embedding(*table_, ids.to(table_->device()));
  return scale_ == 1 ? hidden : hidden * scale_;
}

bool Embedding::is_cpu() const { return table_->is_cpu(); }

Result<Head> Head::load(const ModelSpec& model, const ParameterSource& source, const Embedding* tied) {
  NWC_ASSIGN_OR_RETURN(Norm norm, Norm::load(model.final_norm, source));
  Linear linear{model.head, {}, {}};
  if (tied != nullptr && model.head.weight == model.embedding) {
    linear.weight = *tied->table_;
  } else {
    NWC_ASSIGN_OR_RETURN(linear, Linear::load(model.head, source));
  }
  return Head(std::make_shared<const Layers>(
      Layers{std::move(norm), std::move(linear), model.logit_scale, model.logit_softcap}));
}

at::Tensor Head::forward(const at::Tensor& hidden, const HeadHook& hook) const {
  const Layers& l = *layers_;
  at::Tensor logits = l.linear.forward(l.norm.forward(hidden), hook);
  if (l.scale != 1) logits = logits * l.scale;
  return l.softcap ? torch::tanh(logits / *l.softcap) * *l.softcap : logits;
}

}  // namespace nwc
