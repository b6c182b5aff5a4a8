#include "format/context_rule.h"

namespace nwc {

TileContexts StreamContexts::of_tile(const LevelGroup& group, const TileSpan& span,
                                     std::vector<Context>& storage) const {
  if (shared_) {
    storage.resize(channels_);
    of_chunk(place_of(group, span.first_chunk), storage);
    return {storage.data(), 0};
  }
  const size_t stride = span.chunks;
  storage.resize(channels_ * stride);
  std::vector<Context> of_one(channels_);
  for (uint32_t i = 0; i < span.chunks; ++i) {
    of_chunk(place_of(group, span.first_chunk + i), of_one);
    for (unsigned c = 0; c < channels_; ++c) storage[c * stride + i] = of_one[c];
  }
  return {storage.data(), stride, trellis(), odd()};
}

}  // namespace nwc
