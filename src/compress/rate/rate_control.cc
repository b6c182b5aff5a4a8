#include "compress/rate/rate_control.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "compress/rate/sample_exchange.h"
#include "guide/sensitivity.h"
#include "team/team.h"
#include "tensor/checkpoint_tables.h"
#include "tensor/device.h"
#include "tensor/tensor_sample.h"
#include "tensor/tensor_setup.h"

namespace nwc {
namespace {

constexpr int kMaxSteps = 8;
constexpr double kTolerance = 1e-3;  // of the rate asked for
constexpr double kMaxLog2Gain = 6.0;

struct Estimate {
  double log2_gain = 0, bits = 0;  // per weight
  TableSet tables;
};

class RateEstimator {
 public:
  RateEstimator(const std::vector<SelectedTensor>& tensors, const EncodeOptions& options, int threads,
                EncodeDevice* device, Team& team, const Progress& progress, uint64_t sample = kRateSample)
      : tensors_(tensors),
        options_(options),
        threads_(threads),
        device_(device),
        team_(team),
        progress_(progress),
        sample_(sample) {
    for (const SelectedTensor& t : tensors)
      total_ += static_cast<double>(WeightMatrix::of(*t.view, t.transposed, {}).elements());
  }

  // What samples are quantised with: nothing but the weights; steps by sensitivity; feedback too.
  enum class Knowledge : uint8_t { kNone, kSteps, kAll };
  // `guides`: null for kNone.
  Result<Estimate> at(const EncoderCodec& codec, double log2_gain, const GuideSource* guides, Knowledge knowledge) {
    // A few tiles without feedback are not worth the way to a device.
    EncodeDevice* const device = knowledge == Knowledge::kAll ? device_ : nullptr;
    std::shared_ptr<const DeviceQuantiser> quantiser;
    if (device != nullptr) {
      NWC_ASSIGN_OR_RETURN(quantiser, device->quantiser(codec));
    }
    const Encoder encoder(codec, 0, std::move(quantiser));
    EncodeOptions options = options_;
    options.normalisation.gain = std::exp2(log2_gain);
    std::vector<TensorSample> samples(tensors_.size());
    const TensorLoop loop{tensors_, guides, team_, device != nullptr, threads_, progress_, "choosing the rate"};
    NWC_RETURN_IF_ERROR(loop.run([&](size_t i, const WeightMatrix& weights) -> Status {
      const TensorView& view = *tensors_[i].view;
      std::shared_ptr<const DeviceWeights> device_weights;
      if (device != nullptr) {
        NWC_ASSIGN_OR_RETURN(device_weights, device->upload(weights));
      }
      TensorGuide guide;
      if (knowledge == Knowledge::kSteps) {
        NWC_ASSIGN_OR_RETURN(guide, guides->steps_of(view, weights));
      } else if (knowledge == Knowledge::kAll) {
        NWC_ASSIGN_OR_RETURN(guide,
                             guides->guide_of(view, weights, encoder.level_errors(), nullptr, device_weights.get()));
      }
      NWC_ASSIGN_OR_RETURN(samples[i],
                           sample_tensor(weights, guide, encoder, options, sample_, threads_, device_weights.get()));
      return {};
    }));
    NWC_RETURN_IF_ERROR(share_samples(samples, team_));
    DecoderCodec written = codec.decoder;
    written.tables.set = fit_checkpoint_tables(samples, codec.decoder.tables.set,
                                               codec.decoder.trellis ? TableRange::kEven : TableRange::kAny);
    double bytes = 0;
    for (const NamedTensor& tensor : decoder_tensors(written)) bytes += static_cast<double>(tensor.bytes.size());
    for (const TensorSample& sample : samples)
      bytes += estimated_bytes(sample, written.tables.set, options_for(codec.decoder, options_).own_tables);
    return Estimate{log2_gain, 8.0 * bytes / total_, std::move(written.tables.set)};
  }

 private:
  const std::vector<SelectedTensor>& tensors_;
  const EncodeOptions& options_;
  int threads_;
  EncodeDevice* device_;
  Team& team_;
  const Progress& progress_;
  uint64_t sample_;
  double total_ = 0;
};

using Knowledge = RateEstimator::Knowledge;

// Names the rates from the lowest gain to the highest, as samples of the data-free tensors give them.
Error out_of_reach(RateEstimator& estimator, const EncoderCodec& codec, double bits) {
  NWC_ASSIGN_OR_RETURN(const Estimate lowest, estimator.at(codec, -kMaxLog2Gain, nullptr, Knowledge::kNone));
  NWC_ASSIGN_OR_RETURN(const Estimate highest, estimator.at(codec, kMaxLog2Gain, nullptr, Knowledge::kNone));
  return Error(ErrorCode::kInvalidArgument,
               fmt::format(
                   "{:.4g} bits per weight are out of reach: this codec gives about {:.1f} to {:.1f} on these weights",
                   bits, lowest.bits, highest.bits))
      .remedy("choose a rate within, or another codec");
}

// Secants from `at` on, whose slope (bits per unit of log2(gain)) is kept.
Status approach(RateEstimator& estimator, const EncoderCodec& codec, double bits, const GuideSource* guides, int steps,
                Estimate& at, double& slope) {
  for (int step = 0; step < steps && std::abs(at.bits - bits) > kTolerance * bits; ++step) {
    const double next = at.log2_gain + (bits - at.bits) / slope;
    if (!(std::abs(next) <= kMaxLog2Gain)) return out_of_reach(estimator, codec, bits);
    NWC_ASSIGN_OR_RETURN(Estimate moved,
                         estimator.at(codec, next, guides, guides != nullptr ? Knowledge::kAll : Knowledge::kNone));
    slope = std::clamp((moved.bits - at.bits) / (next - at.log2_gain), 0.1, 2.0);
    at = std::move(moved);
  }
  return {};
}

}  // namespace

Result<RateChoice> choose_rate(const std::vector<SelectedTensor>& tensors, const std::vector<EncoderCodec>& candidates,
                               double bits, const EncodeOptions& options, const GuideSource* guides, int threads,
                               EncodeDevice* device, Team& team, const Progress& progress) {
  RateEstimator estimator(tensors, options, threads, device, team, progress);
  size_t chosen = 0;
  Estimate estimate;
  for (size_t i = 0; i < candidates.size(); ++i) {
    NWC_ASSIGN_OR_RETURN(Estimate own, estimator.at(candidates[i], 0.0, nullptr, Knowledge::kNone));
    if (i > 0 && std::abs(own.bits - bits) >= std::abs(estimate.bits - bits)) continue;
    chosen = i;
    estimate = std::move(own);
  }
  double slope = 1.0;
  NWC_RETURN_IF_ERROR(approach(estimator, candidates[chosen], bits, nullptr, kMaxSteps, estimate, slope));
  if (guides != nullptr) {
    NWC_ASSIGN_OR_RETURN(estimate, estimator.at(candidates[chosen], estimate.log2_gain, guides, Knowledge::kAll));
    NWC_RETURN_IF_ERROR(approach(estimator, candidates[chosen], bits, guides, 1, estimate, slope));
    // What is left is too little to change tables, and is not worth another look at all tensors.
    const double rest = (bits - estimate.bits) / slope;
    if (!(std::abs(rest) < 0.1 && std::abs(estimate.log2_gain + rest) <= kMaxLog2Gain))
      return out_of_reach(estimator, candidates[chosen], bits);
    estimate.log2_gain += rest;
    estimate.bits = bits;
  }
  // A float's worth of digits is plenty, and keeps the last bits of a secant out of the result.
  return RateChoice{chosen, static_cast<double>(static_cast<float>(std::exp2(estimate.log2_gain))),
                    std::move(estimate.tables), estimate.bits};
}

Result<RateChoice> choose_rate_by_sensitivity(const std::vector<SelectedTensor>& tensors, EncoderCodec codec,
                                              double bits, const EncodeOptions& options, const GuideSource& guides,
                                              int threads, EncodeDevice* device, Team& team, const Progress& progress,
                                              uint64_t sample) {
  // The first estimates move the tables, and do without feedback, which takes most of the time and moves a rate by some
  // hundredths of a bit.
  constexpr int kWithoutFeedback = 2, kMost = 5;
  constexpr double kNear = 0.02;  // bits: a slope that is wrong by 5 % leaves a thousandth
  RateEstimator estimator(tensors, options, threads, device, team, progress, sample);
  Estimate at{octaves_for(bits, codec.decoder.trellis.has_value()), bits, {}};
  double next = at.log2_gain, slope = 1;
  for (int step = 0; step < kMost && (step <= kWithoutFeedback || std::abs(at.bits - bits) > kNear); ++step) {
    if (!(std::abs(next) <= kMaxLog2Gain + 1)) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("{:.4g} bits per weight are out of reach", bits))
          .remedy("choose a rate between 1 and 8 bits, or other --steps");
    }
    const Knowledge knowledge = step < kWithoutFeedback ? Knowledge::kSteps : Knowledge::kAll;
    NWC_ASSIGN_OR_RETURN(Estimate moved, estimator.at(codec, next, &guides, knowledge));
    if (step > kWithoutFeedback && moved.log2_gain != at.log2_gain)
      slope = std::clamp((moved.bits - at.bits) / (moved.log2_gain - at.log2_gain), 0.5, 1.5);
    at = std::move(moved);
    codec.decoder.tables.set = at.tables;
    next = at.log2_gain + (bits - at.bits) / slope;
  }
  return RateChoice{0, static_cast<double>(static_cast<float>(std::exp2(next))), std::move(at.tables), bits};
}

Result<double> centre_of_spreads(const std::vector<SelectedTensor>& tensors, const GuideSource& guides, int threads,
                                 Team& team, const Progress& progress) {
  std::vector<double> sums(2 * tensors.size(), 0.0);
  const TensorLoop loop{tensors, &guides, team, guides.on_device(), threads, progress, "weighing tensors"};
  NWC_RETURN_IF_ERROR(loop.run([&](size_t i, const WeightMatrix& weights) -> Status {
    NWC_ASSIGN_OR_RETURN(const TensorGuide guide, guides.steps_of(*tensors[i].view, weights));
    NWC_ASSIGN_OR_RETURN(const SpreadSum sum, sum_of_spreads(weights, guide, threads));
    sums[2 * i] = sum.log2_spread;
    sums[2 * i + 1] = sum.weights;
    return {};
  }));
  NWC_RETURN_IF_ERROR(team.gather(sums));
  double log2_spread = 0, weights = 0;
  for (size_t i = 0; i < sums.size(); i += 2) {
    log2_spread += sums[i];
    weights += sums[i + 1];
  }
  return weights > 0 ? log2_spread / weights : 0.0;
}

}  // namespace nwc
