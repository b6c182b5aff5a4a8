#include "decode/tile_integers.h"

#include <string>

namespace nwc {

Status read_tile_integers(const TensorDecoder& decoder, uint64_t number, TileIntegers& tile) {
  NWC_RETURN_IF_ERROR(decoder.verify_tile(number));
  const TileSpan span = decoder.tiling().tile(number);
  const LevelGroup& group = decoder.tiling().groups()[span.group];
  const DecoderCodec& codec = decoder.codec().parts();
  const unsigned channels = codec.latents();
  const TileShape shape{channels, span.chunks, decoder.header().run_groups, codec.chunk_length()};
  const size_t stride = (size_t{span.chunks} + limits::kLanes - 1) / limits::kLanes * limits::kLanes;
  std::vector<Context> storage, resolved;
  std::vector<uint8_t> symbols(channels * stride);
  std::vector<uint16_t> raws(channels * stride);
  std::vector<float> values;
  std::vector<Escape> escapes;
  TileJob job{.tile = decoder.tile_bytes(number),
              .contexts = decoder.contexts().of_tile(group, span, storage),
              .symbols = symbols.data(),
              .raws = raws.data(),
              .escapes = &escapes,
              .patches = &tile.patches};
  if (!decoder.contexts().shared()) {
    values.resize(channels * stride);
    job.values = values.data();
  }
  if (decoder.contexts().trellis() != nullptr) {
    resolved.resize(channels * stride);
    job.resolved = resolved.data();
  }
  const DecodingTables& tables = decoder.tables();
  if (Status status = decode_tiles({&job, 1}, tables, shape, current_isa(), stride); !status) {
    const Error& e = status.error();
    return Error(e.code(), "tile " + std::to_string(number) + ": " + e.message())
        .at_offset(decoder.parsed().tiles[number].offset + e.offset().value_or(0));
  }
  tile.stride = stride;
  tile.values.resize(channels * stride);
  for (unsigned c = 0; c < channels; ++c) {
    int32_t* const row = tile.values.data() + c * stride;
    if (!decoder.contexts().shared()) {  // numbers below 2^16, which floats hold
      for (uint32_t i = 0; i < span.chunks; ++i) row[i] = static_cast<int32_t>(values[c * stride + i]);
      continue;
    }
    const SymbolMap& map = tables.symbols(job.contexts.at(c, 0));
    for (uint32_t i = 0; i < span.chunks; ++i) {
      const uint32_t raw = map.shift == 0 ? 0 : raws[c * stride + i];
      row[i] = map.minimum + static_cast<int32_t>((uint32_t{symbols[c * stride + i]} << map.shift) + raw);
    }
  }
  if (!decoder.contexts().shared()) return {};  // where values have the escapes already
  for (const Escape& escape : escapes) tile.values[escape.channel * stride + escape.chunk] = escape.value;
  return {};
}

}  // namespace nwc
