#include "guide/guide_source.h"

#include <algorithm>

#include "guide/sensitivity.h"

namespace nwc {

Result<TensorGuide> GuideSource::guide_of(const TensorView& tensor, const WeightMatrix& weights,
                                          const LevelErrors& level_errors, Notes* notes,
                                          const DeviceWeights* device_weights) const {
  if (hessians_ == nullptr) return TensorGuide{};
  NWC_ASSIGN_OR_RETURN(StoredHessian stored, hessians_->find(tensor));
  const auto name = [&](Error error) { return std::move(error).in_tensor(tensor.name); };
  if (stored.tokens.size() != 1 && stored.tokens.size() != weights.matrices) {
    return name(Error(ErrorCode::kMismatch, "has " + std::to_string(stored.tokens.size()) + " Hessians for " +
                                                std::to_string(weights.matrices) + " matrices"))
        .remedy("calibrate this model");
  }
  // A Hessian of zeros becomes, damped, a multiple of the identity: no feedback, all columns alike.
  for (size_t m = 0; m < stored.tokens.size(); ++m) {
    if (stored.tokens[m] == 0 && notes != nullptr) notes->unseen_matrices.push_back(m);
  }
  const auto note_damping = [&](const TensorGuide& guide) {
    if (notes == nullptr) return;
    for (const auto& factor : guide.feedback) notes->damping = std::max(notes->damping, factor->damping);
  };
  if (options_.steps == StepRule::kSensitivity) {
    Result<TensorGuide> guide = by_fisher(tensor, weights, stored.tokens);
    if (!guide) return name(std::move(guide).error());
    note_damping(*guide);
    return guide;
  }
  NormalisationOptions plain = normalisation_;
  plain.gain = 1.0;
  NWC_ASSIGN_OR_RETURN(const WeightScales scales, weight_scales(weights, plain, {}, threads_, device_weights));
  if (scales.one_scale && options_.steps == StepRule::kWaterFill) {
    return Error(ErrorCode::kInvalidArgument, "steps by column need a scale for each column")
        .remedy("normalise by column, or by both");
  }
  const std::vector<double> column_rms(scales.columns.begin(), scales.columns.end());
  const std::vector<HessianView> views = stored.views();
  Result<TensorGuide> guide =
      make_guide(views, weights.matrices, weights.columns, column_rms, level_errors, options_, threads_, device_);
  if (!guide) return name(std::move(guide).error());
  note_damping(*guide);
  return guide;
}

Result<TensorGuide> GuideSource::by_fisher(const TensorView& tensor, const WeightMatrix& weights,
                                           std::span<const int64_t> tokens) const {
  NWC_ASSIGN_OR_RETURN(const std::optional<StoredFisher> fisher, hessians_->find_fisher(tensor));
  if (!fisher) {
    return Error(ErrorCode::kNotFound, "was calibrated without gradients")
        .in_file(hessians_->files()[0].path().parent_path().string())
        .remedy("calibrate with --gradients, or choose other --steps");
  }
  NWC_ASSIGN_OR_RETURN(const int64_t positions, hessians_->positions_of(tensor));
  return make_sensitivity_guide(*fisher, {tokens, positions}, weights, centre_, options_, threads_, device_);
}

}  // namespace nwc
