// The model that a method compresses.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compress/compress_plan.h"
#include "guide/hessian_store.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "weights/selection.h"
#include "weights/weight_matrix.h"

namespace nwc {

// Thread safety: const members may be called from several threads at once.
class MethodModel {
 public:
  // `hessians`: what `nwcodec calibrate` wrote, or empty. Its calibration sequences are there, too
  // (guide/calibration_sequences.h). Errors: those of reading; kNonFinite by tensor; kInvalidArgument if there is
  // nothing to compress.
  static Result<MethodModel> open(const std::filesystem::path& directory, const std::filesystem::path& hessians,
                                  const SelectionOptions& selection, int threads, const Progress& progress);

  const std::filesystem::path& directory() const { return checkpoint_->directory(); }
  const std::filesystem::path& hessian_directory() const { return hessian_directory_; }
  const SelectionOptions& selection_options() const { return selection_options_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  // The linear weights that every method compresses, block by block in the order of computation of blocks.
  const std::vector<WorkItem>& blocks() const { return blocks_; }
  uint64_t weights() const { return weights_; }
  const HessianStore* hessians() const { return hessians_.get(); }  // null: data-free
  const std::vector<std::string>& warnings() const { return warnings_; }

  // One of the linear weights. Errors: those of values_of().
  Result<WeightMatrix> load(const TensorView& tensor) const;

 private:
  MethodModel(Selection selection) : selection_(std::move(selection)) {}
  std::unique_ptr<const Checkpoint> checkpoint_;  // what blocks_ point into
  std::filesystem::path hessian_directory_;
  SelectionOptions selection_options_;
  Selection selection_;
  std::unique_ptr<const HessianStore> hessians_;
  std::vector<WorkItem> blocks_;
  uint64_t weights_ = 0;
  std::vector<std::string> warnings_;
};

}  // namespace nwc
