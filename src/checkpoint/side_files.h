// Everything of a checkpoint directory that is not its weights: config, tokenizer, templates, licence, model card.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "nwcodec/result.h"

namespace nwc {

// Copies every side file of the checkpoint directory `from`, unchanged, to the existing or new directory `to`,
// replacing files of the same name there; subdirectories too, but no empty ones.
//
// Left out silently:
//   - names in `exclude`, at the top level (files that the caller writes itself);
//   - at the top level the checkpoint itself (checkpoint/checkpoint_files.h);
//   - hidden files and folders, and `to` itself where it lies inside `from`.
// Left out with a warning in the result, one line each in the order of the paths:
//   - weights in another format or that the checkpoint does not consist of (*.bin, *.pt, *.pth, *.ckpt, *.gguf, *.h5,
//     *.msgpack, their indexes, other *.safetensors), at any depth;
//   - at the top level SHA256SUMS, and a card that nwcodec wrote of `from` (python/nwcodec/card.py): neither is true of
//     other files. The original's card, README.base.md beside it, becomes README.md again;
//   - links that lead to no regular file, and files that are none (pipes, sockets).
// Links to regular files are followed, wherever they lead: download caches are directories of links.
//
// Errors: kInvalidArgument if `to` is `from`; kNotFound, kIo. What was copied before an error stays, each file whole.
Result<std::vector<std::string>> copy_side_files(const std::filesystem::path& from, const std::filesystem::path& to,
                                                 const std::set<std::string>& exclude);

// Copies one file, which appears under the new name when it is whole, into a directory that is made if it is absent.
// Errors: kNotFound, kIo.
Status copy_whole_file(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace nwc
