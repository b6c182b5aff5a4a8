// Normalised chunks -> latents -> symbols -> decoded chunks, for any number of chunks of one level.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/aligned.h"
#include "codec/encode/encoder.h"
#include "nwcodec/isa.h"

namespace nwc {

// One thread's buffers, all [components][stride].
struct QuantiserScratch {
  AlignedVector<float> chunks;  // in
  AlignedVector<float> latents, decoded, network;
  std::vector<int32_t> symbols;  // [latents][stride]
};

// Fills symbols and decoded from scratch.chunks, whose columns up to the padded count must be finite. stride as in
// Transform::apply().
void quantise_chunks(const Encoder& encoder, unsigned level, uint32_t chunks, size_t stride, Isa isa,
                     QuantiserScratch& scratch);

// The value to store instead of what the transform makes of a normalised weight: if that misses by more than the
// threshold or, in padding, if it is not finite.
std::optional<float> patch_for(float wanted, float decoded, bool inside, float threshold);

}  // namespace nwc
