// Keys of config.json that mean the same in many families.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "model/config/block_spec.h"
#include "model/config/config.h"

namespace nwc {

// Ranges that no real model leaves; a product of any two stays far from overflow.
inline constexpr int64_t kMaxWidth = int64_t{1} << 24;
inline constexpr int64_t kMaxBlocks = 4096;
inline constexpr int64_t kMaxPositions = int64_t{1} << 31;

// A width or a count from 1 to kMaxWidth.
Result<int64_t> read_width(const ConfigObject& config, std::string_view key);

// An activation by its name in transformers. Errors: kUnsupported for one that we do not compute.
Result<Activation> read_activation(const ConfigObject& config, std::string_view key);

// Refuses a model in which `key` switches something on that we do not compute; null, false and absence are fine.
Status refuse_if_set(const ConfigObject& config, std::string_view key);

}  // namespace nwc
