// docs/format.md, sections 2, 4 and 6: a tensor from its stream, scales and importance levels.
#pragma once

#include <string>

#include "conformance/reference/codec.h"
#include "conformance/reference/safetensors.h"
#include "conformance/reference_decoder.h"

namespace nwc::reference {

// `levels` is null where the tensor has none.
Tensor decode_tensor(const Codec& codec, const std::string& name, const std::string& bytes, const Stored& scales,
                     const Stored* levels);

}  // namespace nwc::reference
