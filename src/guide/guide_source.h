// Guides of a checkpoint's tensors: from Hessians, or empty in the data-free mode.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "guide/guide.h"
#include "guide/hessian_store.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"
#include "weights/normalisation.h"
#include "weights/weight_matrix.h"

namespace nwc {

class DeviceWeights;

// Thread safety: guides of different tensors may be asked for at the same time, unless a device makes them.
class GuideSource {
 public:
  // `hessians` may be nullptr (every guide is empty) and must outlive this, as must `device`, which factorises them;
  // null for the cores.
  GuideSource(const HessianStore* hessians, const GuideOptions& options, const NormalisationOptions& normalisation,
              int threads, Factoriser* device = nullptr)
      : hessians_(hessians), options_(options), normalisation_(normalisation), threads_(threads), device_(device) {}

  // What it took to make a guide, for the report.
  struct Notes {
    double damping = 0.0;                 // the largest used
    std::vector<size_t> unseen_matrices;  // experts that saw no token: they are treated as if all inputs were alike
  };
  // With steps by sensitivity: the centre of scale classes (guide/sensitivity.h). Before, guides have none.
  // Precondition: called once.
  void set_centre(double centre) { centre_ = centre; }
  bool on_device() const { return device_ != nullptr; }
  bool by_sensitivity() const { return hessians_ != nullptr && options_.steps == StepRule::kSensitivity; }

  // `device_weights`: the same weights in the memory of the device, or null. Errors name the tensor and the file of its
  // Hessian.
  Result<TensorGuide> guide_of(const TensorView& tensor, const WeightMatrix& weights, const LevelErrors& level_errors,
                               Notes* notes, const DeviceWeights* device_weights = nullptr) const;

  // About how many bytes of this machine's memory a tensor of this shape takes while its guide is made.
  uint64_t working_bytes(const WeightMatrix& shape) const;

  // With steps by sensitivity: the same without factors for feedback. Errors: guide_of()'s.
  Result<TensorGuide> steps_of(const TensorView& tensor, const WeightMatrix& weights) const;

 private:
  // By sensitivity. A rate is looked for with the same guides several times, so that steps stay, and factors too as far
  // as they fit into kKeptBytes, or what the device has room for.
  struct Kept {
    TensorGuide guide;
    Notes notes;
    bool has_factors = true;
    bool has_centre = false;
  };
  static constexpr uint64_t kKeptBytes = uint64_t{2} << 30;
  Result<Kept> by_fisher(const TensorView& tensor, const WeightMatrix& weights) const;
  Result<TensorGuide> settled(const TensorView& tensor, const WeightMatrix& weights, bool with_factors,
                              Notes* notes) const;

  const HessianStore* hessians_;
  GuideOptions options_;
  NormalisationOptions normalisation_;
  int threads_;
  Factoriser* device_;
  std::optional<double> centre_;
  mutable std::mutex mutex_;                  // of the two below, not of what stands in the map
  mutable std::map<std::string, Kept> kept_;  // by tensor name
  mutable uint64_t kept_bytes_ = 0;
};

}  // namespace nwc
