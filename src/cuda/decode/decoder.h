// What a CudaDecoder holds: the codec, and its images in device memory.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "codec/codec.h"
#include "cuda/decode/codec_image.h"
#include "cuda/decode/device_types.h"
#include "cuda/support/memory.h"
#include "nwcodec/cuda.h"

namespace nwc {

struct CudaDecoder::State {
  std::shared_ptr<const Codec> codec;
  int device = 0, multiprocessors = 0;
  uint32_t shared_room = 0;  // bytes of shared memory that a block may have
  bool fused = false;        // whether that is enough for the fused kernel
  cuda::DeviceMemory memory;
  // Device pointers; by level where there are several.
  const cuda::Network* network = nullptr;
  const cuda::WideNetwork* wide_network = nullptr;  // null: another shape
  cuda::WidePath wide_path = cuda::WidePath::kMma;
  const uint32_t* plain_words = nullptr;                     // of a codec with a trellis, whose kernel takes it
  cuda::PlainTables plain;                                   // the same on the host
  const uint8_t* trellis = nullptr;                          // [states][2]
  std::vector<const cuda::Channel*> channels;                // level by level, one after another
  std::vector<const cuda::SmallTables*> small_tables;        // null: not for the fused kernel
  std::vector<const cuda::SmallNetwork*> small_networks;     // likewise
  cuda::SmallShape small_shape = cuda::SmallShape::kLinear;  // of these, if there are any

  const TransformWeights& synthesis() const { return codec->parts().synthesis; }
};

}  // namespace nwc
