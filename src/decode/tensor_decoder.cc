#include "decode/tensor_decoder.h"

#include <algorithm>
#include <cmath>

#include "base/aligned.h"
#include "base/bytes.h"
#include "base/half.h"
#include "base/hash.h"
#include "base/parallel.h"
#include "decode/tile_synthesis.h"

namespace nwc {
namespace {

struct Scales {
  std::vector<float> columns, row_factors;
};

Result<Scales> read_scales(std::span<const std::byte> bytes, const StreamHeader& header) {
  const uint64_t columns = header.column_scales(), rows = header.row_factors();
  if (bytes.size() % 2 != 0 || bytes.size() / 2 != columns + rows) {
    return Error(ErrorCode::kCorrupt, "has scales for " + std::to_string(bytes.size() / 2) +
                                          (header.has_row_factors ? " columns and rows" : " columns") +
                                          ", its stream has " + std::to_string(columns + rows));
  }
  if (xxh3(bytes) != header.scales_hash)
    return Error(ErrorCode::kCorrupt, "scales do not match the checksum in the stream");
  const auto read = [&](uint64_t first, uint64_t count, int exponent, const char* what,
                        std::vector<float>& values) -> Status {
    values.resize(count);
    for (uint64_t i = 0; i < count; ++i) {
      const float mantissa = float_from_half(load_le<uint16_t>(bytes.data() + 2 * (first + i)));
      values[i] = static_cast<float>(std::ldexp(static_cast<double>(mantissa), exponent));
      if (std::isfinite(values[i]) && !std::signbit(mantissa)) continue;
      return Error(ErrorCode::kCorrupt, what + std::to_string(i) + " is negative or not finite");
    }
    return {};
  };
  Scales scales;
  NWC_RETURN_IF_ERROR(read(0, columns, header.scale_exponent, "scale of column ", scales.columns));
  NWC_RETURN_IF_ERROR(read(columns, rows, 0, "factor of row ", scales.row_factors));
  return scales;
}

// Tiles decoded by one work item, and what they are decoded into.
struct Worker {
  std::vector<uint8_t> symbols;
  std::vector<uint16_t> raws;
  AlignedVector<float> values;
  std::vector<Context> contexts[kTilesTogether], resolved[kTilesTogether];
  std::vector<Escape> escapes[kTilesTogether];
  std::vector<Patch> patches[kTilesTogether];
  SynthesisScratch synthesis;
};

}  // namespace

Result<TensorDecoder> TensorDecoder::open(const std::string& name, std::span<const std::byte> stream,
                                          std::span<const std::byte> scales, std::span<const std::byte> levels,
                                          const Codec& codec) {
  TensorDecoder decoder;
  decoder.stream_ = stream;
  decoder.codec_ = &codec;
  NWC_ASSIGN_OR_RETURN(decoder.parsed_, parse_stream(stream));
  const StreamHeader& header = decoder.parsed_.header;
  if (header.codec_id != codec.id()) {
    return Error(ErrorCode::kMismatch, "stream was made with codec " + hex64(header.codec_id) +
                                           ", but the codec here is " + hex64(codec.id()))
        .at_offset(8)
        .remedy("restore the codec.safetensors that belongs to this checkpoint");
  }
  if (header.tensor_id != xxh3(name))
    return Error(ErrorCode::kMismatch, "stream belongs to a tensor of another name").at_offset(16);
  NWC_ASSIGN_OR_RETURN(Scales read, read_scales(scales, header));

  std::vector<uint8_t> level_of_column;
  if (header.has_levels) {
    if (xxh3(levels) != header.levels_hash)
      return Error(ErrorCode::kCorrupt, "importance levels do not match the checksum in the stream");
    NWC_ASSIGN_OR_RETURN(level_of_column,
                         unpack_levels(levels, header.matrices * header.columns, codec.parts().levels()));
  }
  // One scale says nothing about the number of columns, so the tiles must, before anything of that size is allocated.
  if (header.one_scale) NWC_RETURN_IF_ERROR(check_tiles_hold_shape(decoder.parsed_, codec.parts().chunk_length()));
  decoder.scales_ = std::move(read.columns);
  decoder.row_factors_ = std::move(read.row_factors);
  decoder.tiling_.emplace(header.matrices, header.rows, header.columns, codec.parts().chunk_length(),
                          header.tile_chunks, level_of_column);
  if (decoder.tiling_->tile_count() != decoder.parsed_.tiles.size()) {
    return Error(ErrorCode::kCorrupt, "stream has " + std::to_string(decoder.parsed_.tiles.size()) +
                                          " tiles, its shape asks for " + std::to_string(decoder.tiling_->tile_count()))
        .at_offset(80);
  }
  const RuleTraits& rule = traits_of(header.context_rule);
  if (rule.trellis != codec.parts().trellis.has_value()) {
    return Error(ErrorCode::kCorrupt, codec.parts().trellis ? "stream follows no trellis, and its codec has one"
                                                            : "stream follows a trellis, and its codec has none")
        .at_offset(76);
  }
  std::span<const std::byte> own_tables = decoder.parsed_.section;
  LineScales lines;
  if (rule.line_scales) {  // which parse_stream() lets have one scale only
    NWC_ASSIGN_OR_RETURN(lines, read_line_scales(own_tables, header, codec.tables()));
    NWC_RETURN_IF_ERROR(decoder.apply_line_scales(lines, decoder.scales_[0]));
  } else if (header.one_scale && header.elements() > 0) {
    decoder.scales_.assign(header.matrices * header.columns, decoder.scales_[0]);
  }
  NWC_ASSIGN_OR_RETURN(decoder.contexts_, rule.make(lines, header.columns, header.rows, shape_of(codec.parts())));
  if (!header.has_own_tables && !own_tables.empty())
    return Error(ErrorCode::kCorrupt, "stream has own tables without their flag").at_offset(84);
  if (header.has_own_tables) {
    NWC_ASSIGN_OR_RETURN(decoder.own_tables_, parse_own_tables(own_tables, codec.parts().tables.set));
    decoder.own_decoding_tables_.emplace(*decoder.own_tables_);
  }
  return decoder;
}

Status TensorDecoder::apply_line_scales(const LineScales& lines, float base) {
  scales_.clear();
  for (size_t j = 0; j < lines.column_steps.size(); ++j) scales_.push_back(lines.column_scale(base, j));
  for (size_t i = 0; i < lines.row_steps.size(); ++i) row_factors_.push_back(lines.row_factor(i));
  const auto is_infinite = [](float scale) { return !std::isfinite(scale); };
  if (std::any_of(scales_.begin(), scales_.end(), is_infinite) ||
      std::any_of(row_factors_.begin(), row_factors_.end(), is_infinite))
    return Error(ErrorCode::kCorrupt, "line scales hold a step that is not finite").at_offset(96);
  return {};
}

std::vector<uint64_t> TensorDecoder::columns_per_level() const {
  std::vector<uint64_t> counts(codec_->parts().levels());
  for (const LevelGroup& group : tiling_->groups()) counts[group.level] += group.columns.size();
  return counts;
}

uint64_t TensorDecoder::payload_bytes() const {
  uint64_t bytes = 0;
  for (const ParsedStream::Tile& tile : parsed_.tiles) bytes += tile.size;
  return bytes;
}

std::span<const std::byte> TensorDecoder::tile_bytes(uint64_t number) const {
  const ParsedStream::Tile& tile = parsed_.tiles[number];
  return stream_.subspan(tile.offset, tile.size);
}

Status TensorDecoder::check_tile(uint64_t number) const {
  const ParsedStream::Tile& tile = parsed_.tiles[number];
  if (tile_checksum(tile_bytes(number), parsed_.header.tensor_id, number) == tile.checksum) return {};
  return Error(ErrorCode::kCorrupt, "tile " + std::to_string(number) + " does not match its checksum")
      .at_offset(tile.offset)
      .remedy("the file is damaged: fetch it again");
}

Status TensorDecoder::verify() const {
  for (uint64_t number = 0; number < parsed_.tiles.size(); ++number) NWC_RETURN_IF_ERROR(check_tile(number));
  return {};
}

Status TensorDecoder::check_output(std::span<const Slice> slices, DType dtype, size_t out_bytes) const {
  if (!is_weight_dtype(dtype)) {
    return Error(ErrorCode::kInvalidArgument, "weights decode to F32, F16 or BF16, not " + std::string(name_of(dtype)));
  }
  uint64_t total = 0;
  for (const Slice& slice : slices)
    total += (slice.row_end - slice.row_begin) * (slice.column_end - slice.column_begin) * (bits_of(dtype) / 8);
  if (out_bytes == total) return {};
  return Error(ErrorCode::kInvalidArgument,
               "output buffer has " + std::to_string(out_bytes) + " bytes, the weights take " + std::to_string(total));
}

TensorDecoder::TileRange TensorDecoder::tiles_of_rows(const LevelGroup& group, uint64_t row_begin,
                                                      uint64_t row_end) const {
  const uint64_t chunk_length = codec_->parts().chunk_length(), per_stripe = group.columns.size(),
                 tile_chunks = parsed_.header.tile_chunks;
  const uint64_t first_chunk = row_begin / chunk_length * per_stripe;
  const uint64_t last_chunk = ((row_end - 1) / chunk_length + 1) * per_stripe - 1;
  return {group.first_tile + first_chunk / tile_chunks, group.first_tile + last_chunk / tile_chunks + 1};
}

std::vector<uint64_t> TensorDecoder::tiles_of_slice(const Slice& slice) const {
  const uint64_t chunk_length = codec_->parts().chunk_length(), tile_chunks = parsed_.header.tile_chunks;
  const uint64_t first_stripe = slice.row_begin / chunk_length, last_stripe = (slice.row_end - 1) / chunk_length;
  std::vector<uint64_t> numbers;
  const auto before = [](const LevelGroup& group, uint64_t matrix) { return group.matrix < matrix; };
  auto group = std::lower_bound(tiling_->groups().begin(), tiling_->groups().end(), slice.matrix, before);
  for (; group != tiling_->groups().end() && group->matrix == slice.matrix; ++group) {
    const std::vector<uint32_t>& columns = group->columns;  // ascending: those of the slice are neighbours
    const auto place = [&](uint64_t column) {
      return static_cast<uint64_t>(std::lower_bound(columns.begin(), columns.end(), column) - columns.begin());
    };
    const uint64_t begin = place(slice.column_begin), end = place(slice.column_end);
    if (begin == end) continue;
    uint64_t next = 0;  // of the group's tiles, the first that is not listed yet
    for (uint64_t stripe = first_stripe; stripe <= last_stripe; ++stripe) {
      const uint64_t first = stripe * columns.size() + begin, last = stripe * columns.size() + end - 1;
      for (next = std::max(next, first / tile_chunks); next <= last / tile_chunks; ++next)
        numbers.push_back(group->first_tile + next);
    }
  }
  return numbers;
}

Status TensorDecoder::decode(DType dtype, std::span<std::byte> out, int threads) const {
  const StreamHeader& h = parsed_.header;
  std::vector<Slice> slices;  // of a tensor without elements none, since no tiles bound its matrices
  for (uint64_t m = 0; m < h.matrices && h.elements() > 0; ++m) slices.push_back({m, 0, h.rows, 0, h.columns});
  NWC_RETURN_IF_ERROR(check_output(slices, dtype, out.size()));
  return run(slices, dtype, out, threads);
}

Status TensorDecoder::check_slice(const Slice& slice, DType dtype, size_t out_bytes) const {
  const StreamHeader& h = parsed_.header;
  if (slice.matrix >= h.matrices || slice.row_begin > slice.row_end || slice.row_end > h.rows ||
      slice.column_begin > slice.column_end || slice.column_end > h.columns) {
    return Error(ErrorCode::kInvalidArgument, "slice lies outside the tensor");
  }
  return check_output({&slice, 1}, dtype, out_bytes);
}

Status TensorDecoder::decode_slice(const Slice& slice, DType dtype, std::span<std::byte> out, int threads) const {
  NWC_RETURN_IF_ERROR(check_slice(slice, dtype, out.size()));
  return run({&slice, 1}, dtype, out, threads);
}

// Slices are of different matrices, in ascending order, and stand one after another in `out`, which has their size.
Status TensorDecoder::run(std::span<const Slice> slices, DType dtype, std::span<std::byte> out, int threads) const {
  const StreamHeader& h = parsed_.header;
  const uint64_t element = bits_of(dtype) / 8;
  const uint64_t chunk_length = codec_->parts().chunk_length();

  // Work items: runs of at most kTilesTogether neighbouring tiles of one shape.
  struct Item {
    uint64_t first_tile;
    uint32_t tiles;
    size_t slice;
  };
  std::vector<Item> items;
  std::vector<uint64_t> slice_offsets;
  uint64_t total = 0;
  for (size_t s = 0; s < slices.size(); ++s) {
    const Slice& slice = slices[s];
    slice_offsets.push_back(total);
    total += (slice.row_end - slice.row_begin) * (slice.column_end - slice.column_begin) * element;
    if (slice.row_begin == slice.row_end || slice.column_begin == slice.column_end) continue;
    const std::vector<uint64_t> tiles = tiles_of_slice(slice);
    for (size_t i = 0; i < tiles.size();) {
      const TileSpan first = tiling_->tile(tiles[i]);
      const auto joins = [&](uint32_t count) {
        if (i + count >= tiles.size() || tiles[i + count] != tiles[i] + count) return false;
        const TileSpan next = tiling_->tile(tiles[i + count]);
        return next.group == first.group && next.chunks == first.chunks;
      };
      uint32_t together = 1;
      while (together < kTilesTogether && joins(together)) ++together;
      items.push_back({tiles[i], together, s});
      i += together;
    }
  }

  const DecodingTables& tables = this->tables();
  const Isa isa = current_isa();
  const int worker_count = resolve_threads(threads);
  std::vector<Worker> workers(static_cast<size_t>(worker_count));
  return parallel_for(items.size(), worker_count, [&](size_t index, int worker_number) -> Status {
    const Item& item = items[index];
    Worker& worker = workers[static_cast<size_t>(worker_number)];
    const TileSpan first = tiling_->tile(item.first_tile);
    const LevelGroup& group = tiling_->groups()[first.group];
    const unsigned channels = codec_->parts().latents();
    const TileShape shape{channels, first.chunks, h.run_groups, static_cast<unsigned>(chunk_length)};
    const size_t stride = (size_t{first.chunks} + limits::kLanes - 1) / limits::kLanes * limits::kLanes;
    const size_t per_tile = stride * channels;
    worker.symbols.resize(kTilesTogether * per_tile);
    worker.raws.resize(kTilesTogether * per_tile);

    TileJob jobs[kTilesTogether];
    for (uint32_t t = 0; t < item.tiles; ++t) {
      NWC_RETURN_IF_ERROR(check_tile(item.first_tile + t));
      const TileSpan span = tiling_->tile(item.first_tile + t);
      jobs[t] = {tile_bytes(item.first_tile + t),
                 contexts_->of_tile(group, span, worker.contexts[t]),
                 worker.symbols.data() + t * per_tile,
                 worker.raws.data() + t * per_tile,
                 &worker.escapes[t],
                 &worker.patches[t]};
      if (contexts_->shared()) continue;
      worker.values.resize(kTilesTogether * per_tile);
      jobs[t].values = worker.values.data() + t * per_tile;
      if (contexts_->trellis() == nullptr) continue;
      worker.resolved[t].resize(per_tile);
      jobs[t].resolved = worker.resolved[t].data();
    }
    size_t failed = 0;
    if (Status status = decode_tiles({jobs, item.tiles}, tables, shape, isa, stride, &failed); !status) {
      const uint64_t number = item.first_tile + failed;
      const Error& e = status.error();
      return Error(e.code(), "tile " + std::to_string(number) + ": " + e.message())
          .at_offset(parsed_.tiles[number].offset + e.offset().value_or(0));
    }
    const Slice& slice = slices[item.slice];
    const float* const factors = row_factors_.empty() ? nullptr : row_factors_.data() + slice.matrix * h.rows;
    const WeightTarget target{slice,
                              h.transposed,
                              h.rows,
                              scales_.data() + slice.matrix * h.columns,
                              factors,
                              dtype,
                              out.data() + slice_offsets[item.slice]};
    for (uint32_t t = 0; t < item.tiles; ++t) {
      const DecodedTile tile{jobs[t].contexts_of_symbols(stride),
                             jobs[t].values,
                             jobs[t].symbols,
                             jobs[t].raws,
                             stride,
                             worker.escapes[t],
                             worker.patches[t]};
      Status status = synthesise_tile(*codec_, tables, group, tiling_->tile(item.first_tile + t), tile, target, isa,
                                      worker.synthesis);
      if (!status) return std::move(status).error().at_offset(parsed_.tiles[item.first_tile + t].offset);
    }
    return {};
  });
}

}  // namespace nwc
