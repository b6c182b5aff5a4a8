// A codec ready to encode with: both transforms, tables, identity.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "codec/codec.h"
#include "codec/encode/encoder_codec.h"
#include "transform/transform.h"

namespace nwc {

class DeviceQuantiser;

// What a level of a codec does: the root of its normalised squared error.
using LevelErrors = std::vector<double>;

// Largest error of a normalised weight that the encoder lets pass, at a level with this mean squared error; beyond it,
// the weight is stored as a patch.
float patch_threshold(float nmse);

// Made once per checkpoint. Immutable; threads share it.
class Encoder {
 public:
  // `codec_id` is the hash of the codec.safetensors that goes with the streams. `device`: where tensors are quantised;
  // null for the cores.
  Encoder(const EncoderCodec& codec, uint64_t codec_id, std::shared_ptr<const DeviceQuantiser> device = nullptr)
      : codec_(codec.decoder, codec_id),
        by_lines_(codec.by_lines),
        analysis_(codec.analysis),
        nmse_(codec.nmse),
        device_(std::move(device)) {}

  const Codec& codec() const { return codec_; }
  // The context rule of tensors with line scales.
  ContextRule by_lines() const { return by_lines_; }
  const Transform& analysis() const { return analysis_; }
  const DeviceQuantiser* device() const { return device_.get(); }
  // The root of the normalised squared error of each level.
  LevelErrors level_errors() const;
  float patch_threshold(unsigned level) const { return nwc::patch_threshold(nmse_[level]); }

 private:
  Codec codec_;
  ContextRule by_lines_;
  Transform analysis_;
  std::vector<float> nmse_;
  std::shared_ptr<const DeviceQuantiser> device_;
};

}  // namespace nwc
