#include "conformance/reference/stream.h"

#include "conformance/reference/bytes.h"

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

}  // namespace

Stream parse_stream(const Codec& codec, const std::string& name, const std::string& bytes, const std::string& scales,
                    const std::string* levels) {
  Reader reader(bytes);
  Stream stream;
  must(reader.take(4) == "NWCS", "stream: magic");
  const uint64_t version = reader.uint(2);
  must(version == kVersion,
       "stream: version " + std::to_string(version) + ", this decoder knows " + std::to_string(kVersion));
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
  must(flags < 32, "stream: reserved flags");
  stream.transposed = (flags & 1) != 0;
  stream.has_levels = (flags & 2) != 0;
  stream.one_scale = (flags & 8) != 0;
  stream.row_factors = (flags & 16) != 0;
  must(reader.uint(1) == 0, "stream: table rule");
  must(reader.uint(1) == 0 && reader.uint(2) == 0, "stream: reserved fields");
  const uint64_t tile_count = reader.uint(4), own_size = reader.uint(4), checksum = reader.uint(8);

  must(own_size <= reader.left(), "stream: own tables past the end");
  const std::string own = reader.take(own_size);
  must(tile_count <= reader.left() / 8, "stream: tile index past the end");
  const std::string index = reader.take(8 * tile_count);
  must(checksum == xxh3(bytes.substr(0, 88) + own + index), "stream: checksum of the header");
  const bool has_own = (flags & 4) != 0;
  must(has_own || own_size == 0, "stream: own tables without the flag");
  stream.tables = has_own ? read_own_tables(codec, own) : codec.tables;

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

}  // namespace nwc::reference
