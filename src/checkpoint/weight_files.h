// Which file names hold weights in a format that nwcodec does not read.
#pragma once

#include <string_view>

namespace nwc {

// Whether the name is one that other formats give to weights (.bin, .pt, .pth, .ckpt, .gguf, .h5, .msgpack), or the
// index of such shards (pytorch_model.bin.index.json).
bool is_foreign_weight_file(std::string_view file_name);

}  // namespace nwc
