#include "weights/selection.h"

#include <algorithm>
#include <string_view>

#include "base/file.h"
#include "base/json.h"
#include "nwcodec/limits.h"

namespace nwc {
namespace {

constexpr uint64_t kSmallestSide = 16;

std::vector<std::string_view> parts_of(std::string_view name) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    parts.push_back(name.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool is_number(std::string_view part) {
  return !part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool can_be_compressed(const TensorView& tensor) {
  const size_t dims = tensor.shape.size();
  return (dims == 2 || dims == 3) && is_weight_dtype(tensor.dtype) && !tensor.bytes.empty();
}

// Routers of mixtures: "mlp.gate.weight", "block_sparse_moe.gate.weight", "mlp.router.weight". They are small, and an
// error in them sends tokens elsewhere.
bool is_router(const std::vector<std::string_view>& parts) {
  return parts.size() >= 2 && (parts[parts.size() - 2] == "gate" || parts[parts.size() - 2] == "router");
}

bool is_linear_weight_of_a_block(const TensorView& tensor) {
  const size_t dims = tensor.shape.size();
  if (std::min(tensor.shape[dims - 1], tensor.shape[dims - 2]) < kSmallestSide) return false;
  const std::vector<std::string_view> parts = parts_of(tensor.name);
  if (std::none_of(parts.begin(), parts.end() - 1, is_number) || is_router(parts)) return false;
  for (const std::string_view part : parts) {
    for (const char* word : {"norm", "embed", "bias", "conv", "ln_"}) {
      if (part.find(word) != std::string_view::npos) return false;
    }
  }
  // Fused expert tensors have no ".weight" at their end, and are 3-D.
  return parts.back() == "weight" || dims == 3;
}

}  // namespace

Result<Selection> Selection::make(const SelectionOptions& options, const std::string& model_type) {
  Selection selection;
  NWC_ASSIGN_OR_RETURN(selection.include_, NamePatterns::compile("--include", options.include));
  NWC_ASSIGN_OR_RETURN(selection.exclude_, NamePatterns::compile("--exclude", options.exclude));
  selection.model_type_ = model_type;
  return selection;
}

Result<bool> Selection::wants(const TensorView& tensor) const {
  if (!can_be_compressed(tensor)) return false;
  NWC_ASSIGN_OR_RETURN(const bool excluded, exclude_.match(tensor.name));
  if (excluded) return false;
  NWC_ASSIGN_OR_RETURN(const bool included, include_.match(tensor.name));
  return included || is_linear_weight_of_a_block(tensor);
}

bool Selection::stored_transposed(const TensorView& tensor) const {
  if (model_type_ == "gpt_oss") return tensor.shape.size() == 3;      // fused experts: [experts, in, out]
  if (model_type_ == "gpt2") return tensor.name.ends_with("weight");  // Conv1D: [in, out]
  return false;
}

Result<std::string> read_model_type(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "config.json";
  Result<std::string> text = read_text_file(path, limits::kMaxJsonFile);
  if (!text) {
    if (text.error().code() == ErrorCode::kNotFound) return std::string();
    return std::move(text).error();
  }
  Result<Json> config = parse_json(*text);
  if (!config) return std::move(config).error().in_file(path.string());
  if (!config->is_object()) return Error(ErrorCode::kCorrupt, "is not a JSON object").in_file(path.string());
  const auto type = config->find("model_type");
  return type != config->end() && type->is_string() ? type->get<std::string>() : std::string();
}

}  // namespace nwc
