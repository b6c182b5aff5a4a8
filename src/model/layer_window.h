// Sliding-window attention from config.json, for families in which only some layers use it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "model/config.h"

namespace nwc {

// The window of each layer, none for full attention. `layer_types` decides where it is given; otherwise the layers from
// `max_window_layers` on slide. `use_sliding_window` (default false) switches all of it off.
Result<std::function<std::optional<int64_t>(int64_t layer)>> read_layer_windows(const ConfigObject& config);

}  // namespace nwc
