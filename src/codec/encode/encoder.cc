#include "codec/encode/encoder.h"

#include <cmath>

namespace nwc {

LevelErrors Encoder::level_errors() const {
  LevelErrors errors;
  for (const float nmse : nmse_) errors.push_back(std::sqrt(nmse));
  return errors;
}

float patch_threshold(float nmse) {
  // Eight steps of a uniform quantiser with the codec's error (step^2 / 12 = nmse).
  return 8.0f * std::sqrt(12.0f * nmse);
}

}  // namespace nwc
