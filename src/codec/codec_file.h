// The decoder's half of a codec: `codec.safetensors` (docs/format.md, section 3), read and written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "entropy/frequency_table.h"
#include "entropy/trellis.h"
#include "format/context_rule.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"
#include "transform/transform.h"

namespace nwc {

// A tensor in memory, on its way into a file.
struct NamedTensor {
  std::string name;
  DType dtype;
  std::vector<uint64_t> shape;
  std::vector<std::byte> bytes;
};
NamedTensor half_tensor(std::string name, std::vector<uint64_t> shape, std::span<const float> values);
template <class T>
NamedTensor plain_tensor(std::string name, DType dtype, std::vector<uint64_t> shape, const std::vector<T>& values) {
  const std::byte* first = reinterpret_cast<const std::byte*>(values.data());
  return {std::move(name), dtype, std::move(shape), {first, first + values.size() * sizeof(T)}};
}
// All of them into one file, atomically.
Status write_tensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                     std::map<std::string, std::string> metadata);

// A float tensor (F16 or F32) of a codec file as binary32. Errors: kNotFound, kCorrupt for another dtype.
Result<std::vector<float>> load_floats(const SafetensorsFile& file, const std::string& name,
                                       std::vector<uint64_t>& shape);
TensorLoader loader_of(const SafetensorsFile& file);

// The integer tables and, per (level, channel), what is added to an integer to give the latent.
struct CodecTables {
  unsigned levels = 0, channels = 0;
  TableSet set;                // by level and channel: context rule 0
  std::vector<float> centers;  // [levels * channels]
};

struct DecoderCodec {
  TransformWeights synthesis;  // the identity for codecs with a trellis
  CodecTables tables;
  std::optional<Trellis> trellis;

  unsigned chunk_length() const { return static_cast<unsigned>(synthesis.outputs); }
  unsigned latents() const { return tables.channels; }
  unsigned levels() const { return tables.levels; }
};

// What context rules ask of a codec.
inline CodecShape shape_of(const DecoderCodec& codec) {
  return {codec.levels(), codec.latents(), codec.chunk_length(), codec.trellis ? &*codec.trellis : nullptr};
}
// Whether a weight is its latent, and its latent an integer.
bool is_plain(const DecoderCodec& codec);

inline constexpr const char* kVersionKey = "nwcodec.format_version";
// The version that a codec is written as: the oldest that has all it needs.
unsigned version_of(const DecoderCodec& codec);

// Checks the version, every shape, bound and number. Errors name file and tensor.
Result<DecoderCodec> read_decoder_codec(const SafetensorsFile& file);
// Tensors that read_decoder_codec() reads; networks as F16.
std::vector<NamedTensor> decoder_tensors(const DecoderCodec& codec);

}  // namespace nwc
