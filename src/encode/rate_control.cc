#include "encode/rate_control.h"

#include <algorithm>
#include <cmath>

namespace nwc {
namespace {

constexpr uint64_t kSampleTiles = 4;    // per tensor and level
constexpr int kMaxSteps = 8;
constexpr double kTolerance = 1e-3;     // of the rate asked for
constexpr double kMaxLog2Gain = 6.0;

class RateEstimator {
 public:
  RateEstimator(const std::vector<WeightMatrix>& weights, const EncodeOptions& options, int threads, const Progress& progress)
      : weights_(weights), options_(options), threads_(threads), progress_(progress) {
    for (const WeightMatrix& w : weights) total_ += static_cast<double>(w.elements());
  }

  Result<double> bits(const EncoderCodec& codec, double log2_gain) {
    const Encoder encoder(codec, 0);
    EncodeOptions options = options_;
    options.normalisation.gain = std::exp2(log2_gain);
    double bytes = 0;
    for (const NamedTensor& tensor : decoder_tensors(codec.decoder)) bytes += static_cast<double>(tensor.bytes.size());
    for (const WeightMatrix& w : weights_) {
      NWC_RETURN_IF_ERROR(progress_.check_stop());
      progress_.at(0, 1, "choosing the rate");
      NWC_ASSIGN_OR_RETURN(const double estimate, estimate_encoded_bytes(w, {}, encoder, options, kSampleTiles, threads_));
      bytes += estimate;
    }
    return 8.0 * bytes / total_;
  }

 private:
  const std::vector<WeightMatrix>& weights_;
  const EncodeOptions& options_;
  int threads_;
  const Progress& progress_;
  double total_ = 0;
};

}  // namespace

Result<RateChoice> choose_rate(const std::vector<WeightMatrix>& weights, const std::vector<EncoderCodec>& candidates, double bits,
                               const EncodeOptions& options, int threads, const Progress& progress) {
  RateEstimator estimator(weights, options, threads, progress);
  RateChoice choice;
  double nearest = -1;
  for (size_t i = 0; i < candidates.size(); ++i) {
    NWC_ASSIGN_OR_RETURN(const double own_rate, estimator.bits(candidates[i], 0.0));
    if (nearest >= 0 && std::abs(own_rate - bits) >= nearest) continue;
    nearest = std::abs(own_rate - bits);
    choice = {i, 1.0, own_rate};
  }
  double log2_gain = 0, slope = 1.0;  // bits per unit of log2(gain)
  for (int step = 0; step < kMaxSteps && std::abs(choice.expected_bits - bits) > kTolerance * bits; ++step) {
    const double next = log2_gain + (bits - choice.expected_bits) / slope;
    if (!(std::abs(next) <= kMaxLog2Gain)) {
      return Error(ErrorCode::kInvalidArgument, "no gain gives " + std::to_string(bits) + " bits per weight with this codec").remedy("choose another codec or rate");
    }
    NWC_ASSIGN_OR_RETURN(const double rate, estimator.bits(candidates[choice.codec], next));
    slope = std::clamp((rate - choice.expected_bits) / (next - log2_gain), 0.1, 2.0);
    log2_gain = next;
    choice.expected_bits = rate;
  }
  // A float's worth of digits is plenty, and keeps the last bits of a secant out of the result.
  choice.gain = static_cast<double>(static_cast<float>(std::exp2(log2_gain)));
  return choice;
}

}  // namespace nwc
