#include "encode/rate_control.h"

#include <algorithm>
#include <cmath>

#include "team/team.h"

namespace nwc {
namespace {

constexpr uint64_t kSampleTiles = 4;    // per tensor and level
constexpr int kMaxSteps = 8;
constexpr double kTolerance = 1e-3;     // of the rate asked for
constexpr double kMaxLog2Gain = 6.0;

class RateEstimator {
 public:
  RateEstimator(const std::vector<SelectedTensor>& tensors, const EncodeOptions& options, int threads, Team& team, const Progress& progress)
      : tensors_(tensors), options_(options), threads_(threads), team_(team), progress_(progress) {
    for (const SelectedTensor& t : tensors) total_ += static_cast<double>(t.weights.elements());
  }

  // Data-free.
  Result<double> bits(const EncoderCodec& codec, double log2_gain) {
    NWC_ASSIGN_OR_RETURN(const std::vector<double> one, bits_at(codec, {log2_gain}, nullptr));
    return one[0];
  }

  // Bits per weight at each of several gains.
  Result<std::vector<double>> bits_at(const EncoderCodec& codec, const std::vector<double>& log2_gains, const GuideSource* guides) {
    const Encoder encoder(codec, 0);
    double fixed = 0;
    for (const NamedTensor& tensor : decoder_tensors(codec.decoder)) fixed += static_cast<double>(tensor.bytes.size());
    std::vector<double> estimates(tensors_.size() * log2_gains.size(), 0.0);
    for (size_t i = team_.rank(); i < tensors_.size(); i += team_.size()) {
      const SelectedTensor& t = tensors_[i];
      NWC_RETURN_IF_ERROR(progress_.check_stop());
      progress_.at(guides == nullptr ? 0 : i, tensors_.size(), "choosing the rate");
      TensorGuide guide;
      if (guides != nullptr) {
        NWC_ASSIGN_OR_RETURN(guide, guides->guide_of(*t.view, t.weights, encoder.level_errors(), nullptr));
      }
      for (size_t g = 0; g < log2_gains.size(); ++g) {
        EncodeOptions options = options_;
        options.normalisation.gain = std::exp2(log2_gains[g]);
        NWC_ASSIGN_OR_RETURN(estimates[i * log2_gains.size() + g], estimate_encoded_bytes(t.weights, guide, encoder, options, kSampleTiles, threads_));
      }
    }
    NWC_RETURN_IF_ERROR(team_.gather(estimates));
    std::vector<double> bytes(log2_gains.size(), fixed);
    for (size_t k = 0; k < estimates.size(); ++k) bytes[k % bytes.size()] += estimates[k];
    for (double& b : bytes) b = 8.0 * b / total_;
    return bytes;
  }

 private:
  const std::vector<SelectedTensor>& tensors_;
  const EncodeOptions& options_;
  int threads_;
  Team& team_;
  const Progress& progress_;
  double total_ = 0;
};

// With guides, a rate is a smooth function of the gain that is a little off the data-free one: the parabola through three points, or its
// tangent beyond them.
Status refine(RateEstimator& estimator, const EncoderCodec& codec, double bits, const GuideSource& guides, double& log2_gain, double& expected_bits) {
  constexpr double kReach = 0.3;
  const std::vector<double> gains{log2_gain - kReach, log2_gain, log2_gain + kReach};
  NWC_ASSIGN_OR_RETURN(const std::vector<double> rates, estimator.bits_at(codec, gains, &guides));
  const double slope = (rates[2] - rates[0]) / 2, bend = (rates[2] + rates[0]) / 2 - rates[1];  // by the unit of kReach
  const double wanted = bits - rates[1];
  double x = slope > 0 ? wanted / slope : 0.0;
  for (int i = 0; i < 20; ++i) x = std::clamp(x - (slope * x + bend * x * x - wanted) / std::max(0.2 * slope, slope + 2 * bend * x), -3.0, 3.0);
  log2_gain += x * kReach;
  expected_bits = rates[1] + slope * x + bend * x * x;
  if (std::abs(log2_gain) > kMaxLog2Gain || std::abs(expected_bits - bits) > 0.05 * bits) {
    return Error(ErrorCode::kInvalidArgument, "no gain gives " + std::to_string(bits) + " bits per weight with this codec").remedy("choose another codec or rate");
  }
  return {};
}

}  // namespace

Result<RateChoice> choose_rate(const std::vector<SelectedTensor>& tensors, const std::vector<EncoderCodec>& candidates, double bits,
                               const EncodeOptions& options, const GuideSource* guides, int threads, Team& team, const Progress& progress) {
  RateEstimator estimator(tensors, options, threads, team, progress);
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
  if (guides != nullptr) {
    NWC_RETURN_IF_ERROR(refine(estimator, candidates[choice.codec], bits, *guides, log2_gain, choice.expected_bits));
  }
  // A float's worth of digits is plenty, and keeps the last bits of a secant out of the result.
  choice.gain = static_cast<double>(static_cast<float>(std::exp2(log2_gain)));
  return choice;
}

}  // namespace nwc
