// Writing one golden: a compressed directory from tensors and a codec.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "codec/encode/encoder_codec.h"
#include "conformance/golden_maker.h"
#include "format/difference.h"
#include "format/line_scales.h"
#include "tensor/encode_options.h"

namespace nwc::testing {

inline void check(const Status& status) {
  if (!status) throw std::runtime_error(status.error().to_string());
}
template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  return *std::move(result);
}

std::string text_of_values(DType dtype, const std::vector<float>& values);

struct Compressed {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<uint64_t> shape;
  std::vector<float> values;
  EncodeOptions options;
  std::vector<uint8_t> levels = {};
  bool transposed = false;
  std::optional<LineScales> lines = {};
  std::optional<uint64_t> base = {};  // of a difference: identity of the base's tensor
};

struct Plain {
  std::string name;
  DType dtype;
  std::vector<uint64_t> shape;
  std::string bytes;
};

struct Shard {
  std::string file;
  std::vector<Compressed> compressed;
  std::vector<Plain> plain;
};

void write_text(const std::filesystem::path& path, const std::string& text);

// `config`: the original's; empty for none. `difference`: what the directory's shards say of their base.
// Throws std::runtime_error.
GoldenSummary write_golden(const std::filesystem::path& output, const std::string& name, const EncoderCodec& codec,
                           const std::vector<Shard>& shards, const std::string& config,
                           const std::optional<Difference>& difference = std::nullopt);

}  // namespace nwc::testing
