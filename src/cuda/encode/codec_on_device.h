// A codec's transforms in the forms that the encoder's kernels read.
#pragma once

#include <optional>

#include "codec/encode/encoder_codec.h"
#include "cuda/decode/device_types.h"
#include "cuda/encode/kernels.h"
#include "cuda/support/memory.h"
#include "nwcodec/result.h"

namespace nwc::cuda {

// One transform for the kernels of any codec.
struct NetworkOnDevice {
  const Network* exact = nullptr;
  const WideNetwork* wide = nullptr;  // null: another shape than the tensor cores' kernels are for
  WidePath wide_path = WidePath::kMma;
  uint32_t width = 0, inputs = 0, outputs = 0;
};

struct CodecOnDevice {
  DeviceMemory memory;
  unsigned levels = 0;
  uint32_t shared_room = 0;  // bytes of shared memory that a block may have
  // The image for quantise_small_codec(), if the codec is one.
  std::optional<SmallCodecShape> small;
  const uint8_t* small_image = nullptr;
  NetworkOnDevice analysis, synthesis;
  const float* centers = nullptr;     // [levels][16]
  const float* thresholds = nullptr;  // [levels]: patch_threshold()

  // To the current device. Errors: kUnsupported for chunks or latents other than 16.
  static Result<CodecOnDevice> of(const EncoderCodec& codec, int device);
};

}  // namespace nwc::cuda
