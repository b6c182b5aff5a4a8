#include "guide/guide_source.h"

#include <algorithm>

#include "guide/factoriser.h"
#include "guide/sensitivity.h"

namespace nwc {

namespace {

void note_damping(const TensorGuide& guide, GuideSource::Notes* notes) {
  if (notes == nullptr) return;
  for (const auto& factor : guide.feedback) notes->damping = std::max(notes->damping, factor->damping);
}

uint64_t bytes_of(const TensorGuide& guide) {
  uint64_t bytes = 0;
  for (const auto* factors : {&guide.feedback, &guide.row_feedback}) {
    for (const auto& factor : *factors) bytes += factor->columns * factor->columns * sizeof(float);
  }
  return bytes;
}

void drop_factors(TensorGuide& guide) {
  guide.feedback.clear();
  guide.row_feedback.clear();
}

// Notes matrices that no token reached: a Hessian of zeros becomes, damped, a multiple of the identity, so that there
// is no feedback, and all columns are alike.
Status check_tokens(const TensorView& tensor, const WeightMatrix& weights, std::span<const int64_t> tokens,
                    GuideSource::Notes* notes) {
  if (tokens.size() != 1 && tokens.size() != weights.matrices) {
    return Error(ErrorCode::kMismatch, "has " + std::to_string(tokens.size()) + " Hessians for " +
                                           std::to_string(weights.matrices) + " matrices")
        .in_tensor(tensor.name)
        .remedy("calibrate this model");
  }
  for (size_t m = 0; m < tokens.size(); ++m) {
    if (tokens[m] == 0 && notes != nullptr) notes->unseen_matrices.push_back(m);
  }
  return {};
}

}  // namespace

Result<TensorGuide> GuideSource::guide_of(const TensorView& tensor, const WeightMatrix& weights,
                                          const LevelErrors& level_errors, Notes* notes,
                                          const DeviceWeights* device_weights) const {
  if (hessians_ == nullptr) return TensorGuide{};
  const auto name = [&](Error error) { return std::move(error).in_tensor(tensor.name); };
  if (options_.steps == StepRule::kSensitivity) {
    Result<TensorGuide> guide = settled(tensor, weights, true, notes);
    if (!guide) return name(std::move(guide).error());
    return guide;
  }
  NWC_ASSIGN_OR_RETURN(const StoredHessian stored, hessians_->find(tensor));
  NWC_RETURN_IF_ERROR(check_tokens(tensor, weights, stored.tokens, notes));
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
  note_damping(*guide, notes);
  return guide;
}

uint64_t GuideSource::working_bytes(const WeightMatrix& shape) const {
  if (hessians_ == nullptr) return 0;
  // Beside what is read, a matrix in double precision and its factor.
  constexpr uint64_t kEntry = 2 * sizeof(float) + sizeof(double);
  // Output sides as the Hessians' files have them (guide/hessian_file.h).
  const bool both = options_.steps == StepRule::kSensitivity && options_.feedback == Feedback::kTwoSided &&
                    shape.matrices == 1 && hessians_->has_output_side() && !hessians_->is_end(shape.name);
  const uint64_t rows = both ? shape.rows : 0;
  return shape.matrices * kEntry * (shape.columns * shape.columns + rows * rows);
}

Result<TensorGuide> GuideSource::steps_of(const TensorView& tensor, const WeightMatrix& weights) const {
  Result<TensorGuide> guide = settled(tensor, weights, false, nullptr);
  if (!guide) return std::move(guide).error().in_tensor(tensor.name);
  return guide;
}

Result<TensorGuide> GuideSource::settled(const TensorView& tensor, const WeightMatrix& weights, bool with_factors,
                                         Notes* notes) const {
  std::unique_lock lock(mutex_);
  auto found = kept_.find(tensor.name);
  TensorGuide made;  // with factors, where they were not kept
  if (found == kept_.end() || (with_factors && !found->second.has_factors)) {
    lock.unlock();
    NWC_ASSIGN_OR_RETURN(Kept fresh, by_fisher(tensor, weights));
    lock.lock();
    made = fresh.guide;
    if (found == kept_.end()) {
      const uint64_t room = device_ != nullptr ? device_->room_for_factors() : kKeptBytes, bytes = bytes_of(made);
      fresh.has_factors = kept_bytes_ + bytes <= room;
      if (fresh.has_factors)
        kept_bytes_ += bytes;
      else
        drop_factors(fresh.guide);
      found = kept_.emplace(tensor.name, std::move(fresh)).first;
    }
  }
  lock.unlock();
  Kept& kept = found->second;
  if (centre_ && !kept.has_centre) {
    NWC_RETURN_IF_ERROR(settle_steps(weights, *centre_, threads_, kept.guide));
    kept.has_centre = true;
  }
  if (notes != nullptr) *notes = kept.notes;
  TensorGuide guide = kept.guide;
  if (with_factors && !kept.has_factors) {
    guide.feedback = std::move(made.feedback);
    guide.row_feedback = std::move(made.row_feedback);
  }
  if (!with_factors) drop_factors(guide);
  return guide;
}

Result<GuideSource::Kept> GuideSource::by_fisher(const TensorView& tensor, const WeightMatrix& weights) const {
  Kept kept;
  NWC_ASSIGN_OR_RETURN(const std::vector<int64_t> tokens, hessians_->tokens_of(tensor));
  NWC_RETURN_IF_ERROR(check_tokens(tensor, weights, tokens, &kept.notes));
  NWC_ASSIGN_OR_RETURN(std::optional<StoredFisher> fisher, hessians_->find_fisher(tensor));
  if (!fisher) {
    return Error(ErrorCode::kNotFound, "was calibrated without gradients")
        .in_file(hessians_->files()[0].path().parent_path().string())
        .remedy("calibrate without --no-gradients, or choose other --steps");
  }
  NWC_ASSIGN_OR_RETURN(std::optional<StoredFisher> lookup, hessians_->find_lookup(tensor));
  if (hessians_->is_end(tensor.name)) raise_rare_tokens(lookup ? *lookup : *fisher, tokens);
  if (lookup) fisher = both_uses(*fisher, *lookup);
  NWC_ASSIGN_OR_RETURN(const int64_t positions, hessians_->positions_of(tensor));
  const LayerUse use{tokens, positions, hessians_->is_end(tensor.name) ? kLeastToken : kLeastRow};
  NWC_ASSIGN_OR_RETURN(kept.guide, make_sensitivity_guide(*fisher, use, weights, options_, threads_, device_));
  note_damping(kept.guide, &kept.notes);
  return kept;
}

}  // namespace nwc
