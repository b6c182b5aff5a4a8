// Rules of the safetensors format that its reader and its writer share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "nwcodec/dtype.h"
#include "nwcodec/result.h"

namespace nwc {

// Bytes of the little-endian header length that starts every file.
inline constexpr uint64_t kLengthPrefixBytes = 8;
// The one header key that is not a tensor: a string-to-string map.
inline constexpr std::string_view kMetadataKey = "__metadata__";

// Bytes of a tensor's data, with every rule that its name, type and shape must keep by themselves.
// Errors, none of which names the file or the tensor yet:
//   kLimit        a name longer than limits::kMaxTensorName, more dimensions than limits::kMaxDims, or a size beyond
//                 64 bits. Zero dimensions do not hide an overflow of the others, so that the dimensions of an accepted
//                 shape can be multiplied in any order;
//   kCorrupt      sub-byte elements that do not fill whole bytes.
Result<uint64_t> checked_tensor_bytes(std::string_view name, DType dtype, std::span<const uint64_t> shape);

}  // namespace nwc
