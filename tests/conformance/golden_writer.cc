#include "conformance/golden_writer.h"

#include <algorithm>
#include <fstream>
#include <map>

#include "checkpoint/index.h"
#include "checkpoint/safetensors_writer.h"
#include "format/checkpoint_config.h"
#include "format/stream_header.h"
#include "format/tiling.h"
#include "nwcodec/version.h"
#include "support/tiny_codec.h"
#include "tensor/tensor_encoder.h"

namespace nwc::testing {

namespace fs = std::filesystem;

std::string text_of_values(DType dtype, const std::vector<float>& values) {
  const OwnedMatrix matrix("", dtype, {values.size(), 1}, values);
  return {reinterpret_cast<const char*>(matrix.bytes().data()), matrix.bytes().size()};
}

void write_text(const fs::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  if (!out.flush()) throw std::runtime_error("cannot write " + path.string());
}

GoldenSummary write_golden(const fs::path& output, const std::string& name, const EncoderCodec& codec,
                           const std::vector<Shard>& shards, const std::string& config,
                           const std::optional<Difference>& difference) {
  const fs::path directory = output / name;
  fs::create_directories(directory);
  check(write_tensors(directory / kCodecFileName, decoder_tensors(codec.decoder),
                      {{kVersionKey, std::to_string(difference ? kDifferencesVersion : version_of(codec.decoder))}}));
  const Codec written = value_of(Codec::open(directory / kCodecFileName));
  const Encoder encoder(codec, written.id());

  GoldenSummary summary{.name = name};
  unsigned version = difference ? kDifferencesVersion : kOldestFormatVersion;
  std::map<std::string, std::string> metadata;
  if (difference) add_metadata(*difference, metadata);
  WeightMap weight_map;
  uint64_t total = 0;
  for (const Shard& shard : shards) {
    std::vector<PlannedTensor> fixed;
    std::vector<std::string> growing;
    std::vector<EncodedTensor> encoded;
    for (const Plain& plain : shard.plain) {
      fixed.push_back({plain.name, plain.dtype, plain.shape});
      ++summary.plain;
    }
    for (const Compressed& tensor : shard.compressed) {
      const OwnedMatrix matrix(tensor.name, tensor.dtype, tensor.shape, tensor.values, tensor.transposed);
      TensorGuide guide;
      guide.levels = tensor.levels;
      guide.lines = tensor.lines;
      WeightMatrix weights = matrix.matrix();
      if (tensor.base) weights.difference = WeightMatrix::Difference{*tensor.base, tensor.dtype};
      encoded.push_back(value_of(encode_tensor(weights, guide, encoder, tensor.options, 1)));
      const EncodedTensor& e = encoded.back();
      fixed.push_back({tensor.name + kScalesSuffix, DType::kF16, {e.scales.size() / 2}});
      if (e.header.has_levels) fixed.push_back({tensor.name + kLevelsSuffix, DType::kU8, {e.levels.size()}});
      growing.push_back(tensor.name + kStreamSuffix);

      const Tiling tiling(e.header.matrices, e.header.rows, e.header.columns, written.parts().chunk_length(),
                          e.header.tile_chunks, tensor.levels);
      for (uint64_t t = 0; t < tiling.tile_count(); ++t)
        summary.short_tiles += tiling.tile(t).chunks < e.header.tile_chunks ? 1 : 0;
      summary.tiles += tiling.tile_count();
      ++summary.compressed;
      summary.escapes += e.statistics.escapes;
      summary.patches += e.statistics.patches;
      summary.with_levels += e.header.has_levels ? 1 : 0;
      summary.with_own_tables += e.header.has_own_tables ? 1 : 0;
      summary.transposed += e.header.transposed ? 1 : 0;
      summary.batches += e.header.dimensions == 3 ? 1 : 0;
      summary.empty += e.header.elements() == 0 ? 1 : 0;
      summary.with_lines += tensor.lines ? 1 : 0;
      version = std::max(version, e.header.version());
      if (!e.header.has_own_tables || tensor.lines) continue;
      const ParsedStream parsed = value_of(parse_stream(e.stream));
      for (const FrequencyTable& table : value_of(parse_own_tables(parsed.section, codec.decoder.tables.set))) {
        const auto& of_codec = codec.decoder.tables.set;
        if (table.shift > 0 && std::find(of_codec.begin(), of_codec.end(), table) == of_codec.end())
          ++summary.shifted_own_tables;
      }
    }
    SafetensorsWriter writer =
        value_of(SafetensorsWriter::create(directory / shard.file, fixed, growing, metadata, {.checksums = true}));
    for (const Plain& plain : shard.plain) check(writer.write(plain.name, 0, std::as_bytes(std::span(plain.bytes))));
    for (size_t i = 0; i < encoded.size(); ++i) {
      const std::string& tensor = shard.compressed[i].name;
      check(writer.write(tensor + kScalesSuffix, 0, encoded[i].scales));
      if (encoded[i].header.has_levels) check(writer.write(tensor + kLevelsSuffix, 0, encoded[i].levels));
      check(writer.append(tensor + kStreamSuffix, encoded[i].stream));
    }
    total += writer.data_bytes();
    check(writer.finish());
    for (const PlannedTensor& tensor : fixed) weight_map[tensor.name] = shard.file;
    for (const std::string& tensor : growing) weight_map[tensor] = shard.file;
  }
  if (shards.size() > 1) check(write_index(directory, total, weight_map));
  if (!config.empty()) {
    write_text(directory / "config.json", config);
    check(write_compressed_config(directory, directory, written.id(), version));
  }
  return summary;
}

}  // namespace nwc::testing
