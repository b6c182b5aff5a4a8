#include "study/model_tensors.h"

#include <algorithm>
#include <charconv>
#include <tuple>

namespace nwc {

TensorPlace place_of(const std::string& name) {
  TensorPlace place;
  std::string type;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    std::string part = name.substr(begin, end - begin);
    begin = end + 1;
    int64_t number = 0;
    const auto [last, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    const bool is_number = error == std::errc() && last == part.data() + part.size() && number >= 0;
    if (is_number && place.depth < 0) {
      place.depth = number;
      type.clear();  // what stands before the number is the same for all blocks
      continue;
    }
    if (is_number) part = "*";
    type += (type.empty() ? "" : ".") + part;
  }
  if (place.depth < 0) {
    place.type = name;
    return place;
  }
  if (type.ends_with(".weight")) type.resize(type.size() - 7);
  place.type = type;
  return place;
}

Result<ModelTensors> ModelTensors::open(const std::filesystem::path& directory,
                                        const SelectionOptions& selection_options) {
  NWC_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::open(directory));
  NWC_ASSIGN_OR_RETURN(const std::string model_type, read_model_type(directory));
  NWC_ASSIGN_OR_RETURN(const Selection selection, Selection::make(selection_options, model_type));
  ModelTensors model(std::move(checkpoint));
  for (const SafetensorsFile& shard : model.checkpoint_.shards()) {
    for (const TensorView& view : shard.tensors()) {
      NWC_ASSIGN_OR_RETURN(const bool wanted, selection.wants(view));
      if (!wanted) continue;
      const WeightMatrix weights = WeightMatrix::of(view, selection.stored_transposed(view));
      model.tensors_.push_back({weights, view.shape, place_of(view.name), shard.path().string(), &shard, &view});
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
