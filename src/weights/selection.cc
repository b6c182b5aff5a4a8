#include "weights/selection.h"

#include <algorithm>

#include "checkpoint/quantised/packed_formats.h"
#include "weights/tensor_name.h"

namespace nwc {
namespace {

constexpr uint64_t kSmallestSide = 16;

struct Reason {
  std::string_view name, explanation;
};

Reason reason_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kCompressed: return {"compressed", "compressed"};
    case Verdict::kExcluded: return {"excluded", "matches --exclude"};
    case Verdict::kDtype: return {"dtype", "only F32, F16 and BF16 are compressed"};
    case Verdict::kDimensions: return {"dimensions", "only matrices and batches of matrices are compressed"};
    case Verdict::kEmpty: return {"empty", "has no weights"};
    case Verdict::kNorm: return {"norm", "normalisation"};
    case Verdict::kEmbedding: return {"embedding", "embedding"};
    case Verdict::kBias: return {"bias", "bias"};
    case Verdict::kConvolution: return {"convolution", "convolution"};
    case Verdict::kRouter: return {"router", "router of experts: its errors send tokens elsewhere"};
    case Verdict::kNotLinear: return {"not_linear", "by its name no weight of a linear layer"};
    case Verdict::kOutsideBlocks: return {"outside_blocks", "in no numbered block"};
    case Verdict::kSmall: return {"small", "fewer than 16 rows or columns"};
    case Verdict::kGarbage: return {"garbage", "a few of its weights would ruin the others"};
    case Verdict::kNonFinite: return {"nonfinite", "holds NaN or infinity"};
    case Verdict::kRefused: return {"refused", "holds NaN or infinity"};
  }
  return {};
}

// Precondition: 2 or 3 dimensions.
Verdict judge_by_name(const TensorName& name, const TensorView& tensor) {
  const size_t dims = tensor.shape.size();
  switch (name.role) {
    case TensorRole::kNorm: return Verdict::kNorm;
    case TensorRole::kEmbedding: return Verdict::kEmbedding;
    case TensorRole::kBias: return Verdict::kBias;
    case TensorRole::kRouter: return Verdict::kRouter;
    case TensorRole::kOther: return Verdict::kNotLinear;
    case TensorRole::kConvolution:
      if (dims == 3) return Verdict::kConvolution;
      break;
    case TensorRole::kExperts:
      if (dims == 2) return Verdict::kNotLinear;
      break;
    case TensorRole::kWeight: break;
  }
  if (!name.block) return Verdict::kOutsideBlocks;
  if (std::min(tensor.shape[dims - 1], tensor.shape[dims - 2]) < kSmallestSide) return Verdict::kSmall;
  return Verdict::kCompressed;
}

bool is_matrix(const TensorView& tensor) { return tensor.shape.size() == 2 || tensor.shape.size() == 3; }

}  // namespace

std::string_view name_of(Verdict verdict) { return reason_of(verdict).name; }

std::string explanation_of(Verdict verdict, const TensorView& tensor) {
  std::string why(reason_of(verdict).explanation);
  if (verdict == Verdict::kDtype) return "is " + std::string(name_of(tensor.dtype)) + ": " + why;
  if (verdict == Verdict::kDimensions) {
    const size_t dims = tensor.shape.size();
    return "has " + std::to_string(dims) + (dims == 1 ? " dimension: " : " dimensions: ") + why;
  }
  return why;
}

Result<Selection> Selection::make(const SelectionOptions& options, const ModelKind& model) {
  Selection selection;
  NWC_ASSIGN_OR_RETURN(selection.include_, NamePatterns::compile("--include", options.include));
  NWC_ASSIGN_OR_RETURN(selection.exclude_, NamePatterns::compile("--exclude", options.exclude));
  selection.also_ = options.also;
  selection.model_ = model;
  return selection;
}

Result<Verdict> Selection::judge(const TensorView& tensor) const {
  NWC_ASSIGN_OR_RETURN(const bool excluded, exclude_.match(tensor.name));
  if (excluded) return Verdict::kExcluded;
  if (!is_weight_dtype(tensor.dtype)) return Verdict::kDtype;
  if (!is_matrix(tensor)) return Verdict::kDimensions;
  if (tensor.bytes.empty()) return Verdict::kEmpty;
  NWC_ASSIGN_OR_RETURN(const bool included, include_.match(tensor.name));
  if (included || also_.contains(tensor.name)) return Verdict::kCompressed;
  return judge_by_name(TensorName::parse(tensor.name), tensor);
}

Result<bool> Selection::wants(const TensorView& tensor) const {
  NWC_ASSIGN_OR_RETURN(const Verdict verdict, judge(tensor));
  return verdict == Verdict::kCompressed;
}

Result<bool> Selection::wants_but_for_dtype(const TensorView& tensor) const {
  NWC_ASSIGN_OR_RETURN(const Verdict verdict, judge(tensor));
  if (verdict != Verdict::kDtype || !is_matrix(tensor) || tensor.bytes.empty()) return false;
  const std::string_view parameter = module_of(tensor.name).parameter;
  if (!is_packed_weight(parameter)) {
    NWC_ASSIGN_OR_RETURN(const bool included, include_.match(tensor.name));
    return included || judge_by_name(TensorName::parse(tensor.name), tensor) == Verdict::kCompressed;
  }
  const std::string plain = tensor.name.substr(0, tensor.name.size() - parameter.size()) + "weight";
  return judge_by_name(TensorName::parse(plain), tensor) == Verdict::kCompressed;
}

}  // namespace nwc
