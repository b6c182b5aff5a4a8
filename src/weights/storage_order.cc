#include "weights/storage_order.h"

#include <algorithm>
#include <string_view>

#include "weights/tensor_name.h"

namespace nwc {
namespace {

// Layers of OpenAI's Conv1D class, a Linear with a transposed weight, have these names; in the models of kLinearTypes
// Linears have them.
constexpr std::string_view kConv1dModules[] = {"c_attn", "q_attn", "c_proj", "c_fc", "c_fc2"};
constexpr std::string_view kConv1dTypes[] = {"gpt2", "openai-gpt", "imagegpt", "decision_transformer", "clvp", "jais"};
constexpr std::string_view kLinearTypes[] = {"gpt_bigcode", "gpt_neo", "qwen", "exaone", "trajectory_transformer"};

// Experts in one tensor, multiplied as inputs times weight: [experts, inputs, outputs].
constexpr std::string_view kInputsFirstTypes[] = {"gpt_oss", "llama4",    "llama4_text",      "qwen3_vl_moe",
                                                  "aria",    "aria_text", "qwen3_vl_moe_text"};
// The same with one Linear per expert: [experts, outputs, inputs].
constexpr std::string_view kOutputsFirstTypes[] = {
    "mixtral", "qwen2_moe",  "qwen3_moe",        "deepseek_v2",      "deepseek_v3", "olmoe",
    "phimoe",  "granitemoe", "granitemoeshared", "granitemoehybrid", "jetmoe"};
// Of these names, experts' first and second products.
constexpr std::string_view kFromHidden[] = {"gate_up_proj", "gate_proj", "up_proj", "w1", "w3", "fc1"};
constexpr std::string_view kToHidden[] = {"down_proj", "w2", "fc2"};

template <class Names>
bool has_any(const ModelKind& model, const Names& types) {
  return std::any_of(std::begin(types), std::end(types), [&](std::string_view type) { return model.has(type); });
}

template <class Names>
bool is_any(std::string_view name, const Names& names) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

StorageOrder of_layer(const TensorView& tensor, const ModelKind& model) {
  const auto [module, parameter] = module_of(tensor.name);
  if (parameter != "weight" || !is_any(module, kConv1dModules)) return {};
  if (has_any(model, kConv1dTypes)) return {.transposed = true};
  return {.transposed = false, .known = has_any(model, kLinearTypes)};
}

// Sizes come first, where they decide: qwen3_vl_moe was published inputs first, and transformers saves it the other
// way.
StorageOrder of_experts(const TensorView& tensor, const ModelKind& model) {
  const auto [module, parameter] = module_of(tensor.name);
  const std::string_view layer = parameter == "weight" ? module : parameter;
  const bool first = tensor.shape[1] == model.hidden_size, second = tensor.shape[2] == model.hidden_size;
  if (first != second && is_any(layer, kFromHidden)) return {.transposed = first};
  if (first != second && is_any(layer, kToHidden)) return {.transposed = second};
  if (has_any(model, kInputsFirstTypes)) return {.transposed = true};
  if (has_any(model, kOutputsFirstTypes)) return {};
  return {.transposed = false, .known = false};
}

}  // namespace

StorageOrder StorageOrder::of(const TensorView& tensor, const ModelKind& model) {
  const bool fused_experts = tensor.shape.size() == 3 && TensorName::parse(tensor.name).experts;
  return fused_experts ? of_experts(tensor, model) : of_layer(tensor, model);
}

}  // namespace nwc
