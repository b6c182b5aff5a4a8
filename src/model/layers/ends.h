// The two ends of a language model: from tokens to hidden states, and from hidden states to logits.
#pragma once

#include <functional>
#include <memory>

#include "libtorch/tensor_fwd.h"
#include "model/config/spec.h"
#include "model/parameters/parameters.h"
#include "nwcodec/result.h"

namespace nwc {

// Copies share their weights. forward() throws what LibTorch throws: call it inside catch_foreign().
// Thread safety: const members may be called from several threads at once.
class Embedding {
 public:
  static Result<Embedding> load(const ModelSpec& model, const ParameterSource& source);
  // ids, int64 [batch, length] on any device, each in [0, vocab_size), to float32 [batch, length, hidden_size].
  at::Tensor forward(const at::Tensor& ids) const;
  // Whether it computes on the CPU.
  bool is_cpu() const;

 private:
  friend class Head;
  Embedding(std::shared_ptr<const at::Tensor> table, double scale) : table_(std::move(table)), scale_(scale) {}
  std::shared_ptr<const at::Tensor> table_;  // [vocab_size, hidden_size]
  double scale_;
};

// Sees the input [..., hidden_size] and the output [..., vocab_size] of the projection.
using HeadHook = std::function<void(const LinearSpec& linear, const at::Tensor& input, const at::Tensor& output)>;

// The final norm and the projection to the vocabulary.
class Head {
 public:
  // `tied`, if not nullptr, is a loaded embedding whose table the head may share if the model ties the two.
  static Result<Head> load(const ModelSpec& model, const ParameterSource& source, const Embedding* tied);
  // The last block's output, [..., hidden_size], to logits, float32 [..., vocab_size]. `hook`, if there is one, sees
  // the projection.
  at::Tensor forward(const at::Tensor& hidden, const HeadHook& hook = {}) const;

 private:
  struct Layers;
  explicit Head(std::shared_ptr<const Layers> layers) : layers_(std::move(layers)) {}
  std::shared_ptr<const Layers> layers_;
};

}  // namespace nwc
