#include "methods/method_model.h"

#include <utility>

namespace nwc {

Result<MethodModel> MethodModel::open(const std::filesystem::path& directory, const std::filesystem::path& hessians,
                                      const SelectionOptions& selection_options, int threads,
                                      const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const ModelKind kind, ModelKind::read(directory));
  NWC_ASSIGN_OR_RETURN(Selection selection, Selection::make(selection_options, kind));
  MethodModel model(std::move(selection));
  NWC_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::open(directory));
  model.checkpoint_ = std::make_unique<const Checkpoint>(std::move(checkpoint));
  model.selection_options_ = selection_options;
  NWC_ASSIGN_OR_RETURN(const CompressPlan plan,
                       make_plan(*model.checkpoint_, model.selection_, /*keep_nonfinite=*/false, threads, progress));
  model.warnings_ = plan.warnings;
  model.weights_ = plan.weights;
  model.blocks_ = work_items(plan);
  if (model.blocks_.empty()) {
    return Error(ErrorCode::kInvalidArgument, "has no linear weights to compress")
        .in_file(directory.string())
        .remedy("a model's weights stand in numbered blocks");
  }
  if (!hessians.empty()) {
    NWC_ASSIGN_OR_RETURN(HessianStore store, HessianStore::open(hessians));
    model.hessians_ = std::make_unique<const HessianStore>(std::move(store));
    model.hessian_directory_ = hessians;
  }
  return model;
}

Result<WeightMatrix> MethodModel::load(const TensorView& tensor) const {
  return WeightMatrix::load(tensor, selection_.stored_transposed(tensor), 1);
}

}  // namespace nwc
