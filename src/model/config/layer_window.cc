#include "model/config/layer_window.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "model/config/common_config.h"

namespace nwc {
namespace {

constexpr int64_t kMaxWindow = int64_t{1} << 31;

Result<std::vector<bool>> read_layer_types(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> types, config.strings("layer_types"));
  NWC_ASSIGN_OR_RETURN(const int64_t layers, config.integer("num_hidden_layers", 1, kMaxBlocks));
  if (!types.empty() && static_cast<int64_t>(types.size()) != layers) {
    return config.error(ErrorCode::kCorrupt, "layer_types",
                        fmt::format("has {} entries for {} layers", types.size(), layers));
  }
  std::vector<bool> sliding;
  for (const std::string& type : types) {
    const bool slides = type == "sliding_attention";
    if (!slides && type != "full_attention" && type != "attention") {  // the last is an older name
      return config.error(ErrorCode::kUnsupported, "layer_types",
                          fmt::format("holds '{}'; known are full_attention and sliding_attention", type));
    }
    sliding.push_back(slides);
  }
  return sliding;
}

// Sliding layers without a window are no model.
Status check_none_slides(const ConfigObject& config, const std::vector<bool>& sliding) {
  if (std::find(sliding.begin(), sliding.end(), true) == sliding.end()) return {};
  return config
      .error(ErrorCode::kCorrupt, "layer_types", "has layers of sliding_attention, but no sliding window is in force")
      .remedy("set sliding_window (and use_sliding_window where the family has it), or full_attention");
}

}  // namespace

Result<LayerWindows> read_layer_windows(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const std::vector<bool> sliding, read_layer_types(config));
  NWC_ASSIGN_OR_RETURN(const bool enabled, config.boolean("use_sliding_window", false));
  if (!enabled || !config.has("sliding_window")) {
    NWC_RETURN_IF_ERROR(check_none_slides(config, sliding));
    return LayerWindows();
  }
  NWC_ASSIGN_OR_RETURN(const int64_t window, config.integer("sliding_window", 1, kMaxWindow));
  NWC_ASSIGN_OR_RETURN(const int64_t first, config.integer("max_window_layers", 0, kMaxBlocks));
  return LayerWindows([sliding, window, first](int64_t layer) {
    const bool slides = sliding.empty() ? layer >= first : sliding[layer];
    return slides ? std::optional(window) : std::nullopt;
  });
}

Result<LayerWindows> read_chosen_windows(const ConfigObject& config, std::function<bool(int64_t layer)> slides) {
  NWC_ASSIGN_OR_RETURN(const std::vector<bool> sliding, read_layer_types(config));
  NWC_ASSIGN_OR_RETURN(const bool enabled, config.boolean("use_sliding_window", false));
  if (sliding.empty() && !(enabled && config.has("sliding_window"))) return LayerWindows();
  if (std::find(sliding.begin(), sliding.end(), true) == sliding.end() && !sliding.empty()) return LayerWindows();
  NWC_ASSIGN_OR_RETURN(const int64_t window, config.integer("sliding_window", 1, kMaxWindow));
  return LayerWindows([sliding, slides, window](int64_t layer) {
    return (sliding.empty() ? slides(layer) : sliding[layer]) ? std::optional(window) : std::nullopt;
  });
}

Result<LayerWindows> read_listed_windows(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const std::vector<bool> sliding, read_layer_types(config));
  if (!config.has("sliding_window")) {
    NWC_RETURN_IF_ERROR(check_none_slides(config, sliding));
    return LayerWindows();
  }
  NWC_ASSIGN_OR_RETURN(const int64_t window, config.integer("sliding_window", 1, kMaxWindow));
  return LayerWindows([sliding, window](int64_t layer) {
    return sliding.empty() || sliding[layer] ? std::optional(window) : std::nullopt;
  });
}

Result<LayerWindows> read_common_window(const ConfigObject& config) {
  if (!config.has("sliding_window")) return LayerWindows();
  NWC_ASSIGN_OR_RETURN(const int64_t window, config.integer("sliding_window", 1, kMaxWindow));
  return LayerWindows([window](int64_t) { return window; });
}

Result<LayerWindows> read_periodic_windows(const ConfigObject& config, int64_t period) {
  NWC_ASSIGN_OR_RETURN(std::vector<bool> sliding, read_layer_types(config));
  if (sliding.empty()) {
    NWC_ASSIGN_OR_RETURN(const int64_t layers, config.integer("num_hidden_layers", 1, kMaxBlocks));
    for (int64_t layer = 0; layer < layers; ++layer) sliding.push_back((layer + 1) % period != 0);
  }
  if (!config.has("sliding_window")) {
    NWC_RETURN_IF_ERROR(check_none_slides(config, sliding));
    return LayerWindows();
  }
  NWC_ASSIGN_OR_RETURN(const int64_t window, config.integer("sliding_window", 1, kMaxWindow));
  return LayerWindows(
      [sliding, window](int64_t layer) { return sliding[layer] ? std::optional(window) : std::nullopt; });
}

}  // namespace nwc
