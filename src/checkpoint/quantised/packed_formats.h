// Weights as other programs pack them, which nwcodec does not read: GPTQ, bitsandbytes, MLX and their like. They are
// recognised by config.json and by their tensors' names, to say what they are and how to get out of them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"

namespace nwc {

struct PackedFormat {
  std::string_view name;    // "GPTQ"
  std::string tensor;       // one that is stored so
  std::string file = {};    // which holds it, if that is known
  std::string_view remedy;  // what a user can do
};

// The format that `tensors`, all of one checkpoint or shard, are packed in; nullopt if none is. `method`: what
// quantization_config says, or empty.
std::optional<PackedFormat> packed_format_of(std::span<const TensorView> tensors, std::string_view method);

// Whether a parameter of this name is one that a packed format stores weights in ("qweight", "weight_packed").
bool is_packed_weight(std::string_view parameter);

// The same of a whole checkpoint. A config.json that cannot be read says nothing.
std::optional<PackedFormat> packed_weights(const Checkpoint& checkpoint);

// What a model whose weights are packed should be refused with, instead of what is missing in it; nullopt if they are
// not packed.
std::optional<Error> packed_weights_error(const Checkpoint& checkpoint);

}  // namespace nwc
