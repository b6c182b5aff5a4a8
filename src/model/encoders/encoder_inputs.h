// What goes into encoders: images and texts from a safetensors file, as a processor of transformers leaves them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "libtorch/tensor_fwd.h"
#include "model/config/encoder_spec.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"

namespace nwc {

// Tensors that count:
//   pixel_values   F32, F16 or BF16 [images, channels, height, width], normalised: for a tower of images
//   input_ids      I64 or I32 [texts, length], padded as the model wants: for a tower of texts; may be absent
//   label_embeds   F32, F16 or BF16 [labels, features]; may be absent
// Memory: the file is mapped, batches are copies. Thread safety: const members may be called from several threads at
// once.
class EncoderInputs {
 public:
  // Checks the tensors against the model. Errors: kNotFound without pixel_values; kMismatch and kInvalidArgument for
  // shapes, sizes and ids that the model cannot take; kNonFinite; each names the tensor.
  static Result<EncoderInputs> open(const std::filesystem::path& path, const EncoderModelSpec& model);

  const std::filesystem::path& path() const { return file_.path(); }
  // Images or texts for a tower, by its name; 0 if there are none.
  int64_t count(const std::string& tower) const;
  // Some of them: float32 [count, channels, height, width] or int64 [count, length]. Precondition: they exist.
  at::Tensor batch(const std::string& tower, int64_t first, int64_t count) const;
  // Of the bytes that a tower is given; 0 if there are none.
  uint64_t hash(const std::string& tower) const;
  int64_t labels() const;
  int64_t label_features() const;
  // float32 [labels, features]. Precondition: there are some.
  at::Tensor label_embeds() const;

 private:
  explicit EncoderInputs(SafetensorsFile file) : file_(std::move(file)) {}
  const TensorView* view_of(const std::string& tower) const;
  SafetensorsFile file_;
};

}  // namespace nwc
