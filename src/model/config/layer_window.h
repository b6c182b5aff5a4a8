// Sliding-window attention from config.json, for families in which only some layers use it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "model/config/config.h"

namespace nwc {

// The window of a layer, none for full attention; an empty function is none for all.
using LayerWindows = std::function<std::optional<int64_t>(int64_t layer)>;

// `layer_types` decides where it is given; otherwise the layers from `max_window_layers` on slide. `use_sliding_window`
// (default false) switches all of it off. Errors of all: as ConfigObject; kCorrupt for layer types that slide where no
// window is in force.
Result<LayerWindows> read_layer_windows(const ConfigObject& config);

// `layer_types` decides where it is given; otherwise the layers that `slides` names slide if there is a window and
// `use_sliding_window` (default false). Errors: kCorrupt for layers that slide without a window.
Result<LayerWindows> read_chosen_windows(const ConfigObject& config, std::function<bool(int64_t layer)> slides);

// `layer_types` decides where it is given; otherwise all layers slide if there is a window.
Result<LayerWindows> read_listed_windows(const ConfigObject& config);

// One window for all layers, if there is one.
Result<LayerWindows> read_common_window(const ConfigObject& config);

// `layer_types` decides where it is given; otherwise all layers slide but every `period`-th one.
Result<LayerWindows> read_periodic_windows(const ConfigObject& config, int64_t period);

}  // namespace nwc
