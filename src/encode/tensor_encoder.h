// One tensor to its stream: normalised chunks -> latents -> symbols -> tiles (docs/format.md, sections 4 to 7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "decode/codec.h"
#include "encode/device.h"
#include "encode/encoder_codec.h"
#include "encode/guide.h"
#include "encode/normalisation.h"
#include "encode/weight_matrix.h"
#include "format/stream_header.h"
#include "nwcodec/result.h"

namespace nwc {

// Largest error of a normalised weight that the encoder lets pass, at a level with this mean squared error; beyond it,
// the weight is stored as a patch.
float patch_threshold(float nmse);

// A codec ready to encode with; made once per checkpoint.
class Encoder {
 public:
  // `codec_id` is the hash of the codec.safetensors that goes with the streams. `device`: where tensors are quantised;
  // null for the cores.
  Encoder(const EncoderCodec& codec, uint64_t codec_id, std::shared_ptr<const DeviceQuantiser> device = nullptr)
      : codec_(codec.decoder, codec_id), analysis_(codec.analysis), nmse_(codec.nmse), device_(std::move(device)) {}

  const Codec& codec() const { return codec_; }
  const Transform& analysis() const { return analysis_; }
  const DeviceQuantiser* device() const { return device_.get(); }
  // The root of the normalised squared error of each level.
  LevelErrors level_errors() const;
  float patch_threshold(unsigned level) const { return nwc::patch_threshold(nmse_[level]); }

 private:
  Codec codec_;
  Transform analysis_;
  std::vector<float> nmse_;
  std::shared_ptr<const DeviceQuantiser> device_;
};

struct EncodeOptions {
  uint32_t tile_chunks =
      2048;                  // chunks per tile: smaller decode with less latency, larger cost fewer bytes (72 a tile)
  uint16_t run_groups = 64;  // groups of 32 chunks decoded channel by channel
  bool own_tables = true;    // let a tensor carry its own tables where that makes it smaller
  NormalisationOptions normalisation;  // its gain moves the rate: more bits, less error
};

// The bounds of the format. Errors: kInvalidArgument.
Status check_options(const EncodeOptions& options);

// Sums over a tensor, exact reconstruction included.
struct EncodeStatistics {
  uint64_t weights = 0;
  uint64_t payload_bytes = 0;           // of all tiles
  double table_bits = 0;                // cross-entropy of the symbols under the integer tables used, escapes included
  double squared_error = 0;             // sum over weights of (decoded - original)^2
  double squared_weight = 0;            // sum over weights of original^2
  double normalised_squared_error = 0;  // the same error before the column scales
  double weighted_error = 0;            // tr(E H E^T) with the Hessian of the guide's feedback; 0 without
  uint64_t escapes = 0, patches = 0;
};

struct EncodedTensor {
  StreamHeader header;
  std::vector<std::byte> stream;
  std::vector<std::byte> scales;  // F16
  std::vector<std::byte> levels;  // packed; empty if all columns have level 0
  EncodeStatistics statistics;
};

// `guide` may be empty: data-free. Independent of `threads` and of the
// instruction set. Errors: kInvalidArgument for options out of range; kNonFinite naming the weight.
Result<EncodedTensor> encode_tensor(const WeightMatrix& weights, const TensorGuide& guide, const Encoder& encoder,
                                    const EncodeOptions& options, int threads);

}  // namespace nwc
