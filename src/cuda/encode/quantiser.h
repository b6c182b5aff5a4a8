// A codec on a CUDA device, ready to quantise.
#pragma once

#include <memory>

#include "tensor/device.h"

namespace nwc::cuda {

// For codecs with chunks of 16 weights and 16 latents: the small ones in one kernel, all others in passes. Errors:
// kUnsupported for another codec, with a remedy; those of the device.
Result<std::shared_ptr<const DeviceQuantiser>> make_cuda_quantiser(const EncoderCodec& codec, int device);

}  // namespace nwc::cuda
