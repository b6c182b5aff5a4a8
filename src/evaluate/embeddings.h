// How far an encoder's embeddings are from those of a reference, and whether they choose the same labels (paper,
// Section 4.3).
#pragma once

#include <cstdint>
#include <optional>

#include "model/encoders/encoder_inputs.h"
#include "model/encoders/encoder_model.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

// Of the output vectors e of a tower, where r are the reference's; without pooling, of all positions' vectors of an
// input together.
struct EmbeddingError {
  int64_t count = 0;
  double relative_error = 0;  // sqrt(sum |e - r|^2 / sum |r|^2)
  double worst = 0;           // largest |e - r| / |r| of an input
  double mean_cosine = 0;
};

struct EmbeddingResult {
  EmbeddingError images;
  std::optional<EmbeddingError> texts;  // if there are some
  int64_t labels = 0;
  // Share of images for which the label whose vector has the largest product with the image's is the same in both
  // models. Label vectors are the inputs' label_embeds, or else each model's own embeddings of the texts; without
  // pooling, an image's vector is the class token's.
  std::optional<double> label_agreement;
};

// Both models see the same images and texts, some at a time, block by block. Thread safety: may be called from several
// threads at once. Errors: kMismatch for models of different outputs, or labels of other widths; of loading;
// kNonFinite; kInterrupted.
Result<EmbeddingResult> compare_embeddings(const EncoderModel& reference, const EncoderModel& candidate,
                                           const EncoderInputs& inputs, const Progress& progress);

}  // namespace nwc
