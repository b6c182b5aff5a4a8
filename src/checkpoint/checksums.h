// The checksum tensor that a safetensors file written by us carries for its own bytes.
//
// It is a U64 tensor named "nwcodec.checksums" of shape [n + 1], where n counts the other tensors: XXH3-64 (seed 0) of
// each other tensor's bytes in the order of their offsets, then XXH3-64 of the file's first bytes up to the data
// (length prefix, header text and padding). The tensor's own bytes need no checksum: damage to them shows as a
// mismatch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"

namespace nwc {

inline constexpr std::string_view kChecksumTensorName = "nwcodec.checksums";

// The checksums of one file. Keeps no reference to it. Thread safety: const members may be called from several threads.
class Checksums {
 public:
  // Reads the file's checksums and verifies its header against them.
  // Errors: kNotFound if the file carries none (not every writer's files do); kCorrupt if the checksum tensor has
  // another dtype or shape than the file's tensors ask for, or if the header is not the one that was written.
  static Result<Checksums> of(const SafetensorsFile& file);

  // Reads all bytes of `tensor`, a tensor of that file. The checksum tensor itself always passes.
  // Errors: kCorrupt with the file, the tensor and the offset of its data; kInvalidArgument for a tensor that the file
  // does not have.
  Status verify(const TensorView& tensor) const;
  // The checksum that the file gives a tensor; nullopt if it has none of that name. Not compared with anything.
  std::optional<uint64_t> of_tensor(const std::string& name) const {
    const auto found = hash_by_tensor_.find(name);
    return found == hash_by_tensor_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::string file_;
  std::unordered_map<std::string, uint64_t> hash_by_tensor_;
};

// Whether a file is whole: every byte of it has a checksum, and the right one. Reads all of it and releases it. Errors:
// as of().
Status verify_file(const SafetensorsFile& file);

}  // namespace nwc
