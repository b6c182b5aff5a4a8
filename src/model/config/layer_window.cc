#include "model/config/layer_window.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "model/config/common_config.h"

namespace nwc {
namespace {

constexpr int64_t kMaxWindow = int64_t{1} << 31;
// What transformers assumes where the key is absent.
constexpr int64_t kDefaultWindow = 4096;
constexpr int64_t kDefaultFirstWindowLayer = 28;

Result<std::vector<bool>> read_layer_types(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> types, config.strings("layer_types"));
  NWC_ASSIGN_OR_RETURN(const int64_t layers, config.integer("num_hidden_layers", 1, kMaxBlocks));
  if (!types.empty() && static_cast<int64_t>(types.size()) != layers) {
    return config.error(ErrorCode::kCorrupt, "layer_types",
                        fmt::format("has {} entries for {} layers", types.size(), layers));
  }
  std::vector<bool> sliding;
  for (const std::string& type : types) {
    if (type != "sliding_attention" && type != "full_attention") {
      return config.error(ErrorCode::kUnsupported, "layer_types",
                          fmt::format("holds '{}'; known are full_attention and sliding_attention", type));
    }
    sliding.push_back(type == "sliding_attention");
  }
  return sliding;
}

}  // namespace

Result<LayerWindows> read_layer_windows(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const std::vector<bool> sliding, read_layer_types(config));
  NWC_ASSIGN_OR_RETURN(const bool enabled, config.boolean("use_sliding_window", false));
  const bool switched_off = config.mentions("sliding_window") && !config.has("sliding_window");
  if (!enabled || switched_off) return LayerWindows();
  NWC_ASSIGN_OR_RETURN(const int64_t window, config.integer("sliding_window", 1, kMaxWindow, kDefaultWindow));
  NWC_ASSIGN_OR_RETURN(const int64_t first,
                       config.integer("max_window_layers", 0, kMaxBlocks, kDefaultFirstWindowLayer));
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

Result<LayerWindows> read_common_window(const ConfigObject& config, std::optional<int64_t> default_window) {
  const bool given = config.has("sliding_window");
  if (!given && (!default_window || config.mentions("sliding_window"))) return LayerWindows();
  NWC_ASSIGN_OR_RETURN(const int64_t window,
                       config.integer("sliding_window", 1, kMaxWindow, default_window.value_or(kMaxWindow)));
  return LayerWindows([window](int64_t) { return window; });
}

Result<LayerWindows> read_periodic_windows(const ConfigObject& config, int64_t period, int64_t default_window) {
  NWC_ASSIGN_OR_RETURN(const std::vector<bool> sliding, read_layer_types(config));
  NWC_ASSIGN_OR_RETURN(const int64_t window, config.integer("sliding_window", 1, kMaxWindow, default_window));
  return LayerWindows([sliding, window, period](int64_t layer) {
    const bool slides = sliding.empty() ? (layer + 1) % period != 0 : sliding[layer];
    return slides ? std::optional(window) : std::nullopt;
  });
}

}  // namespace nwc
