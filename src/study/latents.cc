#include "study/latents.h"

#include "nwcodec/isa.h"
#include "transform/transform.h"

namespace nwc {

std::vector<float> latents_of(const Samples& normalised, const EncoderCodec& codec) {
  constexpr unsigned kLevel = 0;
  const Transform analysis(codec.analysis);
  const size_t length = analysis.inputs(), latents = analysis.outputs();
  const size_t chunks = (normalised.rows + length - 1) / length;  // of a column
  const size_t stride = Transform::padded(chunks);
  AlignedVector<float> x(length * stride), z(analysis.output_rows() * stride), scratch;
  std::vector<float> all;
  all.reserve(normalised.columns * chunks * latents);
  for (uint64_t c = 0; c < normalised.columns; ++c) {
    const std::span<const float> column = normalised.column(c);
    x.assign(x.size(), 0.0f);
    for (size_t r = 0; r < column.size(); ++r) x[r % length * stride + r / length] = column[r];
    analysis.apply(kLevel, chunks, x.data(), z.data(), stride, current_isa(), scratch);
    for (size_t i = 0; i < chunks; ++i) {
      for (size_t k = 0; k < latents; ++k)
        all.push_back(z[k * stride + i] - codec.decoder.tables.centers[kLevel * latents + k]);
    }
  }
  return all;
}

}  // namespace nwc
