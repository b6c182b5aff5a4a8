#include "quantise/plain_quantiser.h"

#include "quantise/rate_aware_quantiser.h"
#include "quantise/trellis_quantiser.h"

namespace nwc {

std::unique_ptr<const Quantiser> make_plain_quantiser(const Encoder& encoder, double rate_weight) {
  if (encoder.codec().parts().trellis) return std::make_unique<TrellisQuantiser>(encoder, rate_weight);
  return std::make_unique<RateAwareQuantiser>(encoder, rate_weight);
}

}  // namespace nwc
