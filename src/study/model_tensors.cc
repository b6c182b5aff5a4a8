#include "study/model_tensors.h"

#include <algorithm>
#include <tuple>

#include "weights/not_compressed.h"
#include "weights/tensor_name.h"

namespace nwc {

TensorPlace TensorPlace::of(std::string_view name) {
  TensorName parsed = TensorName::parse(name);
  return {parsed.block ? static_cast<int64_t>(*parsed.block) : -1, std::move(parsed.layer)};
}

Result<ModelTensors> ModelTensors::open(const std::filesystem::path& directory,
                                        const SelectionOptions& selection_options) {
  NWC_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::open(directory));
  NWC_RETURN_IF_ERROR(check_not_compressed(checkpoint));
  NWC_ASSIGN_OR_RETURN(const ModelKind kind, ModelKind::read(directory));
  NWC_ASSIGN_OR_RETURN(const Selection selection, Selection::make(selection_options, kind));
  ModelTensors model(std::move(checkpoint));
  for (const SafetensorsFile& shard : model.checkpoint_.shards()) {
    for (const TensorView& view : model.checkpoint_.tensors(shard)) {
      NWC_ASSIGN_OR_RETURN(const bool wanted, selection.wants(view));
      if (!wanted) continue;
      NWC_ASSIGN_OR_RETURN(const WeightMatrix weights, WeightMatrix::load(view, selection.stored_transposed(view), 0));
      model.tensors_.push_back({weights, view.shape, TensorPlace::of(view.name), shard.path().string(), &shard, &view});
    }
  }
  if (model.tensors_.empty()) {
    return Error(ErrorCode::kInvalidArgument, "has no linear weights to study")
        .in_file(directory.string())
        .remedy("name tensors with --include; a compressed checkpoint must be decompressed first");
  }
  std::sort(model.tensors_.begin(), model.tensors_.end(), [](const Tensor& a, const Tensor& b) {
    return std::tie(a.place.depth, a.weights.name) < std::tie(b.place.depth, b.weights.name);
  });
  return model;
}

const ModelTensors::Tensor* ModelTensors::find(const std::string& name) const {
  const auto found =
      std::find_if(tensors_.begin(), tensors_.end(), [&](const Tensor& t) { return t.weights.name == name; });
  return found == tensors_.end() ? nullptr : &*found;
}

}  // namespace nwc
