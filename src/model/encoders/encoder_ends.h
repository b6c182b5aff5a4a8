// The two ends of an encoder: from tokens or pixels to hidden states, and from hidden states to the output.
#pragma once

#include <memory>

#include "libtorch/tensor_fwd.h"
#include "model/config/encoder_spec.h"
#include "model/parameters/parameters.h"
#include "nwcodec/result.h"

namespace nwc {

// forward() throws what LibTorch throws, and std::invalid_argument for an input that the model cannot take: call it
// inside catch_foreign(). Thread safety: const members may be called from several threads at once.
class EncoderInput {
 public:
  static Result<EncoderInput> load(const EncoderSpec& tower, const ParameterSource& source);
  EncoderInput(EncoderInput&&) noexcept;
  EncoderInput& operator=(EncoderInput&&) noexcept;
  ~EncoderInput();
  // On any device. Texts: ids, int64 [batch, length]; images: normalised pixels, float32 [batch, channels, height,
  // width]. To float32 [batch, positions, hidden_size].
  at::Tensor forward(const at::Tensor& input) const;

 private:
  struct Layers;
  explicit EncoderInput(std::unique_ptr<const Layers> layers);
  std::unique_ptr<const Layers> layers_;
};

class EncoderOutput {
 public:
  static Result<EncoderOutput> load(const EncoderSpec& tower, const ParameterSource& source);
  EncoderOutput(EncoderOutput&&) noexcept;
  EncoderOutput& operator=(EncoderOutput&&) noexcept;
  ~EncoderOutput();
  // The last block's output, and what EncoderInput::forward() was given: texts are pooled at a token. To float32
  // [batch, features], or [batch, positions, hidden_size] without pooling.
  at::Tensor forward(const at::Tensor& hidden, const at::Tensor& input) const;

 private:
  struct Layers;
  explicit EncoderOutput(std::unique_ptr<const Layers> layers);
  std::unique_ptr<const Layers> layers_;
};

// How well images and texts fit. Copies share their weights.
class Similarity {
 public:
  static Result<Similarity> load(const SimilaritySpec& spec, const ParameterSource& source);
  // images [n, features], texts [m, features], of unit length, to logits [n, m].
  at::Tensor forward(const at::Tensor& images, const at::Tensor& texts) const;

 private:
  struct Layers;
  explicit Similarity(std::shared_ptr<const Layers> layers) : layers_(std::move(layers)) {}
  std::shared_ptr<const Layers> layers_;
};

}  // namespace nwc
