// A codec ready to decode with: packed synthesis transform, decoding tables, identity.
#pragma once

#include <cstdint>
#include <filesystem>

#include "codec/codec_file.h"
#include "entropy/tile_decoder.h"
#include "transform/transform.h"

namespace nwc {

// Immutable; threads share it.
class Codec {
 public:
  // Reads a checkpoint's codec.safetensors; its id is the hash of the whole file.
  static Result<Codec> open(const std::filesystem::path& path);
  Codec(DecoderCodec parts, uint64_t id);

  uint64_t id() const { return id_; }
  const DecoderCodec& parts() const { return parts_; }
  const Transform& synthesis() const { return synthesis_; }
  const DecodingTables& tables() const { return tables_; }
  // Whether synthesis() gives back its latents, so that it can be left out.
  bool plain() const { return plain_; }

 private:
  DecoderCodec parts_;
  uint64_t id_;
  Transform synthesis_;
  DecodingTables tables_;
  bool plain_;
};

}  // namespace nwc
