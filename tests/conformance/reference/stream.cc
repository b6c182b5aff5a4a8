#include "conformance/reference/stream.h"

#include <cmath>

#include "conformance/reference/bytes.h"
#include "conformance/reference/safetensors.h"
#include "conformance/reference/tile.h"

namespace nwc::reference {

namespace {

// Section 7.
std::vector<std::vector<Table>> read_own_tables(const Codec& codec, const std::string& bytes) {
  Reader reader(bytes);
  std::vector<std::vector<Table>> tables = codec.tables;
  for (std::vector<Table>& level : tables) {
    for (Table& table : level) {
      const uint64_t count = reader.varint();
      if (count == 0) continue;
      must(count <= 255, "own table: count");
      table = {reader.zigzag(), count, reader.varint(), {}};
      for (uint64_t s = 0; s <= count; ++s) table.frequencies.push_back(reader.varint());
      check_table(table);
    }
  }
  must(reader.left() == 0, "own tables: bytes left over");
  return tables;
}

// Section 7, line scales.
Lines read_lines(const Codec& codec, const Stream& stream, Reader& reader) {
  Lines lines;
  const uint64_t columns = product({stream.matrices, stream.columns}), rows = product({stream.matrices, stream.rows});
  struct Sequence {
    std::vector<int64_t>* values;
    uint64_t count;
    int64_t mean;
    uint64_t table;
  };
  std::vector<Sequence> sequences;
  std::vector<std::vector<int64_t>*> all = {&lines.column_steps, &lines.row_steps, &lines.column_spreads,
                                            &lines.row_spreads};
  if (stream.p > 0) {
    all.push_back(&lines.column_corrections);
    all.push_back(&lines.row_corrections);
  }
  for (size_t s = 0; s < all.size(); ++s) {
    std::vector<int64_t>* const values = all[s];
    const bool of_columns = s % 2 == 0;
    const int64_t mean = static_cast<int16_t>(reader.uint(2));
    sequences.push_back({values, of_columns ? columns : rows, mean, reader.uint(2)});
    must(sequences.back().table < codec.K * codec.C, "line scales: no such table");
  }
  uint64_t left = all.size() / 2 * (columns + rows);
  must(left <= reader.left() * 16384, "line scales: too short");
  size_t current = 0;
  while (left > 0) {
    const uint64_t count = left < 16384 ? left : 16384, size = reader.uint(4);
    std::vector<size_t> owner;
    std::vector<uint64_t> taken;
    for (const Sequence& sequence : sequences) taken.push_back(sequence.values->size());
    while (owner.size() < count) {
      if (taken[current] == sequences[current].count) {
        ++current;
        continue;
      }
      owner.push_back(current);
      ++taken[current];
    }
    const std::string tile = reader.take(size);
    Reader bytes(tile);
    const auto table_of = [&](uint64_t i, uint64_t, uint64_t) -> const Table& {
      const uint64_t number = sequences[owner[i]].table;
      return codec.tables[number / codec.C][number % codec.C];
    };
    const auto values = decode_integers(bytes, 1, 1, count, table_of, {});
    must(bytes.left() == 0, "line scales: bytes after a tile");
    for (uint64_t i = 0; i < count; ++i) {
      const int64_t value = values[i][0] + sequences[owner[i]].mean;
      must(value >= -4095 && value <= 4095, "line scales: a number out of range");
      sequences[owner[i]].values->push_back(value);
    }
    left -= count;
  }
  return lines;
}

}  // namespace

float line_scale(float base, int64_t number, int64_t parts) {
  const double q = static_cast<double>(parts);
  const int64_t octave = static_cast<int64_t>(std::floor(static_cast<double>(number) / q));
  const double root = std::pow(2.0, static_cast<double>(number - parts * octave) / q);
  return static_cast<float>(std::ldexp(static_cast<double>(base) * root, static_cast<int>(octave)));
}

Stream parse_stream(const Codec& codec, const std::string& name, const std::string& bytes, const std::string& scales,
                    const std::string* levels) {
  Reader reader(bytes);
  Stream stream;
  must(reader.take(4) == "NWCS", "stream: magic");
  const uint64_t version = reader.uint(2);
  must(version >= 1 && version <= kVersion,
       "stream: version " + std::to_string(version) + ", this decoder knows 1 to " + std::to_string(kVersion));
  must(reader.uint(2) == 96, "stream: header size");
  must(reader.uint(8) == codec.id, "stream: made by another codec");
  stream.tensor_id = reader.uint(8);
  must(stream.tensor_id == xxh3(name), "stream: of another tensor");
  must(reader.uint(8) == xxh3(scales), "stream: other scales");
  const uint64_t levels_hash = reader.uint(8);
  stream.matrices = reader.uint(8);
  stream.rows = reader.uint(8);
  stream.columns = reader.uint(8);
  stream.T = reader.uint(4);
  must(stream.T % 32 == 0 && stream.T >= 32 && stream.T <= 65536, "stream: chunks per tile");
  stream.R = reader.uint(2);
  must(stream.R >= 1 && stream.R <= 2048, "stream: groups per run");
  stream.scale_exponent = static_cast<int16_t>(reader.uint(2));
  const uint64_t dtype = reader.uint(1);
  must(dtype >= 1 && dtype <= 3, "stream: dtype");
  stream.dtype = std::vector<std::string>{"F32", "F16", "BF16"}[dtype - 1];
  stream.dimensions = reader.uint(1);
  must(stream.dimensions == 3 || (stream.dimensions == 2 && stream.matrices == 1), "stream: dimensions");
  const uint64_t flags = reader.uint(2);
  must(flags < 64 && (flags < 32 || version >= 5), "stream: reserved flags");
  stream.transposed = (flags & 1) != 0;
  stream.has_levels = (flags & 2) != 0;
  stream.one_scale = (flags & 8) != 0;
  stream.row_factors = (flags & 16) != 0;
  stream.is_difference = (flags & 32) != 0;
  const uint64_t rule = reader.uint(1);
  must(rule == 0 || (rule == 1 && version >= 2) || (rule == 2 && version >= 3), "stream: table rule");
  must((rule == 2) == !codec.trellis.empty(), "stream: a trellis in the stream or in the codec only");
  must(rule != 2 || ((flags & 6) == 0 && stream.R == 1), "stream: flags or runs beside a trellis");
  stream.p = reader.uint(1);
  must(stream.p == 0 || (stream.p <= 3 && version >= 4 && rule != 0), "stream: corrections of line scales");
  must(reader.uint(2) == 0, "stream: reserved fields");
  const uint64_t tile_count = reader.uint(4), own_size = reader.uint(4), checksum = reader.uint(8);

  must(own_size <= reader.left(), "stream: own tables past the end");
  const std::string own = reader.take(own_size);
  must(tile_count <= reader.left() / 8, "stream: tile index past the end");
  const std::string index = reader.take(8 * tile_count);
  must(checksum == xxh3(bytes.substr(0, 88) + own + index), "stream: checksum of the header");
  stream.identity = checksum;
  const bool has_own = (flags & 4) != 0;
  Reader after_header(own);
  if (stream.is_difference) stream.base = after_header.uint(8);
  std::string tables = after_header.take(after_header.left());
  stream.has_lines = rule != 0;
  stream.has_trellis = rule == 2;
  if (stream.has_lines) {
    must(stream.one_scale && !stream.row_factors, "stream: line scales beside other scales");
    must(codec.C == codec.N, "stream: line scales for a codec with a transform");
    Reader section(tables);
    stream.lines = read_lines(codec, stream, section);
    tables = section.take(section.left());
  }
  must(has_own || tables.empty(), "stream: own tables without the flag");
  stream.tables = has_own ? read_own_tables(codec, tables) : codec.tables;

  must(stream.has_levels == (levels != nullptr), "stream: levels missing, or there without the flag");
  must(levels_hash == (levels == nullptr ? 0 : xxh3(*levels)), "stream: other levels");

  Reader entries(index);
  for (uint64_t i = 0; i < tile_count; ++i) {
    const uint64_t size = entries.uint(4), sum = entries.uint(4);
    stream.tiles.push_back(reader.take(size));
    must(sum == (xxh3(stream.tiles.back(), stream.tensor_id + i) & 0xFFFFFFFF),
         "tile " + std::to_string(i) + ": checksum");
  }
  must(reader.left() == 0, "stream: bytes after the last tile");
  return stream;
}

const Table& Stream::table(uint64_t matrix, uint64_t level, uint64_t column, uint64_t row, uint64_t c,
                           uint64_t t) const {
  if (!has_lines) return tables[level][c];
  const auto line_class = [](int64_t spread, int64_t step) {
    return spread - static_cast<int64_t>(std::floor(static_cast<double>(step) / 2));
  };
  const uint64_t j = matrix * columns + column, i = matrix * rows + row + c;
  int64_t sum = line_class(lines.column_spreads[j], lines.column_steps[j]);
  if (row + c < rows) sum += line_class(lines.row_spreads[i], lines.row_steps[i]);
  const uint64_t all = tables.size() * tables[0].size(), H = has_trellis ? all / 2 : all;
  const int64_t last = static_cast<int64_t>(H) - 1;
  uint64_t number = static_cast<uint64_t>(sum < 0 ? 0 : sum > last ? last : sum);
  if (has_trellis) number = (row + c < rows ? number : 0) + H * (t % 2);
  return tables[number / tables[0].size()][number % tables[0].size()];
}

}  // namespace nwc::reference
