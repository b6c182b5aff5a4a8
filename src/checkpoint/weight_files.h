// What file names say about a checkpoint directory: its own files, and weights in formats that nwcodec does not read.
#pragma once

#include <string_view>

namespace nwc {

// Whether the name is one of a checkpoint's own: its weights, their index, its codec. They are what compression and
// decompression write anew, and what --force replaces.
bool is_checkpoint_file(std::string_view file_name);

// Whether the name is one that other formats give to weights (.bin, .pt, .pth, .ckpt, .gguf, .h5, .msgpack), or the
// index of such shards (pytorch_model.bin.index.json).
bool is_foreign_weight_file(std::string_view file_name);

}  // namespace nwc
