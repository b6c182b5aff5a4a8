#include "checkpoint/quantised/decoded_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string_view>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "checkpoint/quantised/packed_formats.h"
#include "checkpoint/quantised/quantisation_config.h"
#include "checkpoint/quantised/stored_format.h"
#include "checkpoint/weight_choice.h"

namespace nwc {
namespace {

// The method of our own compressed checkpoints: one whose codec is missing, which its reader refuses.
constexpr std::string_view kCompressed = "nwcodec";
// Scales of "up_proj.weight": "up_proj.weight_scale_inv" (DeepSeek, Qwen), "up_proj.weight_scale" (compressed-tensors,
// FBGEMM, ModelOpt), "up_proj.scale" (DeepSeek V4) or "up_proj.qscale_weight" (Mistral).
constexpr std::string_view kInverse = "_scale_inv", kPlain = "_scale";
constexpr std::string_view kWeight = ".weight";
// What a module of FP8 weights has for its activations, which nothing needs once the weights are decoded.
constexpr std::array<std::string_view, 5> kOfActivations{".activation_scale", ".input_scale", ".input_scale_ub",
                                                         ".qscale_act", ".input_activation_scale"};

std::string_view module_of_weight(std::string_view name) {
  return name.ends_with(kWeight) ? name.substr(0, name.size() - kWeight.size()) : std::string_view();
}

const TensorView* scales_of(const std::string& name, const TensorFinder& find) {
  for (const std::string_view suffix : {kInverse, kPlain}) {
    if (const TensorView* scales = find(name + std::string(suffix))) return scales;
  }
  const std::string_view module = module_of_weight(name);
  if (module.empty()) return nullptr;
  for (const char* parameter : {".scale", ".qscale_weight"}) {
    if (const TensorView* scales = find(std::string(module) + parameter)) return scales;
  }
  return nullptr;
}

bool holds_scales(std::string_view name) {
  const std::string_view last = name.substr(name.rfind('.') + 1);
  return last.find("scale") != std::string_view::npos;
}

// FP8 weights of one kind, for a sentence.
struct Kind {
  DType from, to;
  std::string scales;
  bool operator<(const Kind& other) const {
    return std::tie(from, to, scales) < std::tie(other.from, other.to, other.scales);
  }
};

std::string kind_of_scales(const StoredFormat& format) {
  if (format.scales == nullptr) return "without scales";
  if (format.grid_rows == 1 && format.grid_columns == 1 && format.block_rows >= format.rows) return "by their scales";
  if (format.block_rows == 1 && format.grid_columns == 1) return "by scales for each row";
  return fmt::format("by scales for blocks of {} x {}", format.block_rows, format.block_columns);
}

}  // namespace

Result<DecodedTensors> decode_tensors(const std::filesystem::path& directory,
                                      const std::vector<SafetensorsFile>& shards,
                                      std::vector<std::vector<TensorView>> tensors, const TensorFinder& find) {
  DecodedTensors result;
  NWC_ASSIGN_OR_RETURN(const QuantisationConfig config, QuantisationConfig::read(directory));
  if (config.method == kCompressed) {
    result.shards = std::move(tensors);
    return result;
  }
  const bool packed = std::any_of(tensors.begin(), tensors.end(), [&](const std::vector<TensorView>& shard) {
    return packed_format_of(shard, config.method).has_value();
  });
  std::map<Kind, std::vector<std::string>> float8;
  std::vector<std::string> doubles;
  std::unordered_set<std::string> used;  // scales
  size_t of_activations = 0;
  for (size_t s = 0; s < tensors.size(); ++s) {
    for (TensorView& tensor : tensors[s]) {
      if (!may_be_decoded(tensor)) continue;
      if (tensor.dtype == DType::kF64) {
        StoredFormat format{.dtype = DType::kF64};
        const size_t dims = tensor.shape.size();
        if (dims >= 1) format.columns = tensor.shape[dims - 1];
        if (dims >= 2) format.rows = tensor.shape[dims - 2];
        tensor.stored = std::make_shared<const StoredFormat>(format);
        tensor.dtype = DType::kF32;
        doubles.push_back(tensor.name);
        continue;
      }
      if (packed || holds_scales(tensor.name)) continue;
      const TensorView* const scales = scales_of(tensor.name, find);
      if (scales == nullptr && !config.method.empty()) {
        return Error(ErrorCode::kNotFound,
                     fmt::format("is {}, but {}_scale_inv or {}_scale is missing, which quantization_config in "
                                 "config.json ({}) promises",
                                 name_of(tensor.dtype), tensor.name, tensor.name, config.method))
            .in_file(shards[s].path().string())
            .in_tensor(tensor.name)
            .remedy("fetch the checkpoint again, or its original in BF16");
      }
      Result<StoredFormat> format = float8_format(tensor, scales, config.block ? &*config.block : nullptr);
      if (!format) return std::move(format).error().in_file(shards[s].path().string());
      format->rounds_products = scales != nullptr && config.method == "compressed-tensors";
      float8[{tensor.dtype, config.dtype, kind_of_scales(*format)}].push_back(tensor.name);
      tensor.stored = std::make_shared<const StoredFormat>(*std::move(format));
      tensor.dtype = config.dtype;
      result.quantised = true;
      if (scales != nullptr) used.insert(scales->name);
      for (const std::string_view suffix : kOfActivations) {
        const std::string_view module = module_of_weight(tensor.name);
        const std::string name = std::string(module) + std::string(suffix);
        if (module.empty() || find(name) == nullptr || !used.insert(name).second) continue;
        ++of_activations;
      }
    }
  }
  for (std::vector<TensorView>& shard : tensors)
    std::erase_if(shard, [&](const TensorView& tensor) { return used.contains(tensor.name); });
  for (const auto& [kind, names] : float8) {
    result.notes.push_back(fmt::format("{} tensors in {} are decoded to {} {}: {}", names.size(), name_of(kind.from),
                                       name_of(kind.to), kind.scales, some_of(names)));
  }
  if (of_activations > 0)
    result.notes.push_back(fmt::format("{} scales of activations are left out: they go with FP8", of_activations));
  if (!doubles.empty())
    result.notes.push_back(fmt::format("{} tensors in F64 are taken as F32: {}", doubles.size(), some_of(doubles)));
  result.f64 = !doubles.empty();
  result.shards = std::move(tensors);
  return result;
}

}  // namespace nwc
