#include "conformance/reference_decoder.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string_view>

namespace nwc::reference {
namespace {

using Json = nlohmann::ordered_json;  // keeps the header's order of tensors

constexpr unsigned kVersion = 1;

[[noreturn]] void fail(const std::string& message) { throw std::runtime_error(message); }

void must(bool holds, const std::string& message) {
  if (!holds) fail(message);
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  must(in.good(), "cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

uint64_t xxh3(const std::string& bytes, uint64_t seed = 0) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

// Conventions: little-endian numbers and varints, read one after another, never past the end.
class Reader {
 public:
  explicit Reader(const std::string& bytes) : bytes_(bytes) {}

  std::string take(uint64_t n) {
    must(n <= left(), "the data ends too early");
    pos_ += n;
    return bytes_.substr(pos_ - n, n);
  }
  uint64_t uint(unsigned size) {
    const std::string raw = take(size);
    uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) value |= uint64_t{static_cast<unsigned char>(raw[i])} << (8 * i);
    return value;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned i = 0; i < 10; ++i) {
      const uint64_t byte = uint(1), bits = byte & 127;
      must(i < 9 || bits <= 1, "a varint of more than 64 bits");
      value |= bits << (7 * i);
      if (byte < 128) return value;
    }
    fail("a varint of more than 10 bytes");
  }
  int64_t zigzag() {
    const uint64_t z = varint();
    return static_cast<int64_t>(z >> 1) ^ -static_cast<int64_t>(z & 1);
  }
  uint64_t left() const { return bytes_.size() - pos_; }

 private:
  const std::string& bytes_;
  uint64_t pos_ = 0;
};

float f32_from_bits(uint64_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits)); }

// Exact: every binary16 number is a binary64 number.
double f16_value(uint64_t bits) {
  const int exponent = static_cast<int>(bits >> 10 & 31), fraction = static_cast<int>(bits & 1023);
  double magnitude = 0;
  if (exponent == 31) {
    magnitude = fraction == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  } else if (exponent == 0) {
    magnitude = std::ldexp(fraction, -24);
  } else {
    magnitude = std::ldexp(1024 + fraction, exponent - 25);
  }
  return (bits >> 15) != 0 ? -magnitude : magnitude;
}

// --- safetensors

struct Stored {
  std::string dtype;
  std::vector<uint64_t> shape;
  uint64_t begin = 0, end = 0;
  std::string bytes;
};

struct File {
  std::map<std::string, Stored> tensors;
  std::map<std::string, std::string> metadata;
  std::string header;
  std::vector<std::string> order;  // names by offset
};

Json parse_json(const std::string& text) {
  std::vector<std::set<std::string>> keys;
  const auto no_duplicates = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key) {
      must(keys.back().insert(value.get<std::string>()).second, "a JSON key stands twice");
    }
    return true;
  };
  return Json::parse(text, no_duplicates);
}

unsigned bits_of(const std::string& dtype) {
  static const std::map<std::string, unsigned> kBits = {
      {"F64", 64},    {"F32", 32},    {"F16", 16},    {"BF16", 16}, {"I64", 64},    {"I32", 32},   {"I16", 16},
      {"I8", 8},      {"U64", 64},    {"U32", 32},    {"U16", 16},  {"U8", 8},      {"BOOL", 8},   {"F4", 4},
      {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"C64", 64},  {"F6_E2M3", 6}, {"F6_E3M2", 6}};
  const auto found = kBits.find(dtype);
  must(found != kBits.end(), "unknown dtype " + dtype);
  return found->second;
}

// 0 for an empty product's factor of 0, whatever the others are.
uint64_t product(const std::vector<uint64_t>& factors) {
  if (std::count(factors.begin(), factors.end(), 0u) > 0) return 0;
  uint64_t result = 1;
  for (const uint64_t f : factors) must(!__builtin_mul_overflow(result, f, &result), "a shape is too large");
  return result;
}

File parse_safetensors(const std::string& bytes) {
  Reader reader(bytes);
  const uint64_t header_size = reader.uint(8);
  must(header_size <= 100'000'000, "the header is too long");
  const std::string text = reader.take(header_size);
  must(!text.empty() && text[0] == '{', "the header must begin with {");
  const std::string data = reader.take(reader.left());
  File file;
  file.header = bytes.substr(0, 8 + header_size);
  const Json header = parse_json(text);
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      for (const auto& [key, entry] : value.items()) file.metadata[key] = entry.get<std::string>();
      continue;
    }
    must(value.size() == 3, name + ": exactly dtype, shape and data_offsets");
    Stored tensor;
    tensor.dtype = value.at("dtype").get<std::string>();
    for (const Json& dim : value.at("shape")) {
      must(dim.is_number_unsigned(), name + ": a dimension must be a whole number");
      tensor.shape.push_back(dim.get<uint64_t>());
    }
    const Json& offsets = value.at("data_offsets");
    must(offsets.size() == 2 && offsets[0].is_number_unsigned() && offsets[1].is_number_unsigned(), name + ": offsets");
    tensor.begin = offsets[0].get<uint64_t>();
    tensor.end = offsets[1].get<uint64_t>();
    must(tensor.begin <= tensor.end && tensor.end <= data.size(), name + ": outside the file");
    uint64_t bits = product(tensor.shape);
    must(!__builtin_mul_overflow(bits, bits_of(tensor.dtype), &bits), name + ": the shape is too large");
    must(bits % 8 == 0 && bits / 8 == tensor.end - tensor.begin, name + ": shape and offsets disagree");
    tensor.bytes = data.substr(tensor.begin, tensor.end - tensor.begin);
    file.order.push_back(name);
    file.tensors[name] = tensor;
  }
  std::stable_sort(file.order.begin(), file.order.end(), [&](const std::string& a, const std::string& b) {
    const Stored &x = file.tensors.at(a), &y = file.tensors.at(b);
    return x.begin != y.begin ? x.begin < y.begin : x.end < y.end;
  });
  uint64_t end = 0;
  for (const std::string& name : file.order) {
    must(file.tensors.at(name).begin == end, name + ": overlap or hole");
    end = file.tensors.at(name).end;
  }
  must(end == data.size(), "bytes after the last tensor");
  return file;
}

const Stored& get(const File& file, const std::string& name, std::string_view dtype,
                  const std::vector<uint64_t>& shape) {
  const auto found = file.tensors.find(name);
  must(found != file.tensors.end(), "tensor " + name + " is missing");
  must(found->second.dtype == dtype && found->second.shape == shape, "tensor " + name + " has another dtype or shape");
  return found->second;
}

// Section 2: checks `nwcodec.checksums` and takes it out.
void check_shard(File& shard) {
  const std::string name = "nwcodec.checksums";
  const uint64_t others = shard.tensors.size() - shard.tensors.count(name);
  const std::string sums = get(shard, name, "U64", {others + 1}).bytes;
  Reader reader(sums);
  for (const std::string& other : shard.order) {
    if (other != name) must(reader.uint(8) == xxh3(shard.tensors.at(other).bytes), other + ": checksum");
  }
  must(reader.uint(8) == xxh3(shard.header), "checksum of the header");
  shard.tensors.erase(name);
}

// --- section 3: the codec

struct Table {
  int64_t minimum = 0;
  uint64_t count = 0, shift = 0;
  std::vector<uint64_t> frequencies;  // count + 1, the escape's last
};

void check_table(const Table& table) {
  must(table.count >= 1 && table.count <= 255, "table: count");
  must(table.shift <= 15, "table: shift");
  const int64_t span = static_cast<int64_t>(table.count << table.shift);
  must(table.minimum >= -32767 && table.minimum <= 32767 && table.minimum + span - 1 <= 32767, "table: range");
  uint64_t sum = 0;
  for (const uint64_t f : table.frequencies) {
    must(f >= 1 && f <= 4096, "table: frequency");
    sum += f;
  }
  must(sum == 4096, "table: the frequencies must sum to 4096");
}

using Vector = std::vector<float>;

struct Linear {
  std::vector<Vector> weight;
  Vector bias;

  Vector operator()(const Vector& x) const {
    Vector y;
    for (size_t j = 0; j < bias.size(); ++j) {
      float acc = bias[j];
      for (size_t k = 0; k < x.size(); ++k) acc = std::fma(weight[j][k], x[k], acc);
      y.push_back(acc);
    }
    return y;
  }
};

struct Block {
  Linear linear;
  Vector norm_weight, norm_bias;
};

struct Codec {
  uint64_t id = 0;
  uint64_t K = 0, C = 0, N = 0, W = 0, D = 0;
  Linear in, out;
  std::vector<Block> blocks;
  std::vector<std::vector<Vector>> embedding;  // [E][K][W]
  std::vector<std::vector<Table>> tables;      // [K][C]
  std::vector<Vector> centers;                 // [K][C]

  Vector synthesis(uint64_t level, const Vector& z) const {
    Vector h = z;
    if (D == 0) {
      for (size_t j = 0; j < h.size(); ++j) h[j] = z[j] * embedding[0][level][j];
    } else {
      h = in(z);
    }
    for (uint64_t b = 0; b < D; ++b) {
      const Vector u = blocks[b].linear(h);
      const float width = static_cast<float>(W);
      float s = 0, v = 0;
      for (const float x : u) s = s + x;
      const float mean = s / width;
      for (const float x : u) {
        const float d = x - mean;
        v = std::fma(d, d, v);
      }
      const float r = 1.0f / std::sqrt(v / width + 1e-5f);
      for (size_t j = 0; j < h.size(); ++j) {
        const float normed = std::fma((u[j] - mean) * r, blocks[b].norm_weight[j], blocks[b].norm_bias[j]);
        const float t = normed > 0 ? normed : 0;
        h[j] = (h[j] + t) * embedding[std::min<uint64_t>(b, embedding.size() - 1)][level][j];
      }
    }
    return out(h);
  }
};

Vector floats(const File& file, const std::string& name, const std::vector<uint64_t>& shape,
              const std::string& dtype = "F16") {
  const auto found = file.tensors.find(name);
  const bool wide = dtype == "F32" || (found != file.tensors.end() && found->second.dtype == "F32");
  const Stored& tensor = get(file, name, wide ? "F32" : "F16", shape);
  Reader reader(tensor.bytes);
  Vector values;
  while (reader.left() > 0) {
    values.push_back(!wide ? static_cast<float>(f16_value(reader.uint(2))) : f32_from_bits(reader.uint(4)));
    must(std::isfinite(values.back()), "tensor " + name + " must be finite");
  }
  return values;
}

std::vector<Vector> split(const Vector& values, uint64_t width) {
  std::vector<Vector> rows;
  for (size_t i = 0; i < values.size(); i += width) rows.emplace_back(values.begin() + i, values.begin() + i + width);
  return rows;
}

Linear read_linear(const File& file, const std::string& name, uint64_t outputs, uint64_t inputs) {
  return {split(floats(file, name + ".weight", {outputs, inputs}), inputs), floats(file, name + ".bias", {outputs})};
}

std::vector<uint64_t> shape_of(const File& file, const std::string& name, size_t dimensions) {
  const auto found = file.tensors.find(name);
  must(found != file.tensors.end(), "tensor " + name + " is missing");
  must(found->second.shape.size() == dimensions, "tensor " + name + " has another number of dimensions");
  return found->second.shape;
}

Codec parse_codec(const std::string& bytes) {
  const File file = parse_safetensors(bytes);
  must(file.metadata.count("nwcodec.format_version") == 1 && file.metadata.at("nwcodec.format_version") == "1",
       "codec: format version");
  Codec codec;
  codec.id = xxh3(bytes);
  const std::vector<uint64_t> parameters = shape_of(file, "tables.parameters", 3);
  codec.K = parameters[0];
  codec.C = parameters[1];
  codec.N = shape_of(file, "g_s.out.bias", 1)[0];
  const auto block = [](uint64_t b) { return "g_s.blocks." + std::to_string(b); };
  while (file.tensors.count(block(codec.D) + ".linear.weight") == 1) ++codec.D;
  must((codec.D == 0) == (file.tensors.count("g_s.in.weight") == 0),
       "codec: g_s.in without blocks, or blocks without it");
  codec.W = codec.D == 0 ? codec.C : shape_of(file, "g_s.in.bias", 1)[0];
  must(codec.K >= 1 && codec.K <= 8 && codec.C >= 1 && codec.C <= 256 && codec.N >= 1 && codec.N <= 256 &&
           codec.W >= 1 && codec.W <= 4096 && codec.D <= 64,
       "codec: limits");
  if (codec.D > 0) codec.in = read_linear(file, "g_s.in", codec.W, codec.C);
  for (uint64_t b = 0; b < codec.D; ++b) {
    codec.blocks.push_back({read_linear(file, block(b) + ".linear", codec.W, codec.W),
                            floats(file, block(b) + ".norm.weight", {codec.W}),
                            floats(file, block(b) + ".norm.bias", {codec.W})});
  }
  codec.out = read_linear(file, "g_s.out", codec.N, codec.W);
  const uint64_t embeddings = shape_of(file, "g_s.embedding", 3)[0];
  must(embeddings == 1 || embeddings == codec.D, "codec: number of embeddings");
  for (const Vector& e : split(floats(file, "g_s.embedding", {embeddings, codec.K, codec.W}), codec.K * codec.W)) {
    codec.embedding.push_back(split(e, codec.W));
  }

  codec.centers = split(floats(file, "tables.centers", {codec.K, codec.C}, "F32"), codec.C);
  Reader triples(get(file, "tables.parameters", "I32", {codec.K, codec.C, 3}).bytes);
  Reader frequencies(get(file, "tables.frequencies", "U16", shape_of(file, "tables.frequencies", 1)).bytes);
  for (uint64_t l = 0; l < codec.K; ++l) {
    codec.tables.emplace_back();
    for (uint64_t c = 0; c < codec.C; ++c) {
      Table table;
      table.minimum = static_cast<int32_t>(triples.uint(4));
      table.count = triples.uint(4);
      table.shift = triples.uint(4);
      must(table.count <= 255, "table: count");
      for (uint64_t s = 0; s <= table.count; ++s) table.frequencies.push_back(frequencies.uint(2));
      check_table(table);
      codec.tables.back().push_back(table);
    }
  }
  must(frequencies.left() == 0, "codec: frequencies after the last table");
  return codec;
}

// --- section 4: the stream

struct Stream {
  uint64_t tensor_id = 0, matrices = 0, rows = 0, columns = 0, T = 0, R = 0;
  int scale_exponent = 0;
  std::string dtype;
  uint64_t dimensions = 0;
  bool transposed = false, has_levels = false, one_scale = false, row_factors = false;
  std::vector<std::vector<Table>> tables;  // [K][C], own ones where there are any
  std::vector<std::string> tiles;
};

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

// Section 5: the y of all chunks of a tile, chunk after chunk.
Vector decode_tile(const Codec& codec, const Stream& stream, uint64_t level, uint64_t chunks,
                   const std::string& bytes) {
  Reader reader(bytes);
  const uint64_t word_bytes = 2 * reader.uint(4);
  std::vector<uint64_t> state;
  for (uint64_t a = 0; a < std::min<uint64_t>(32, chunks); ++a) {
    state.push_back(reader.uint(4));
    must(state.back() >= 65536, "tile: state too small");
  }
  const std::string word_data = reader.take(word_bytes);
  Reader words(word_data);

  // Symbols, and the escapes to be spelled out.
  std::vector<std::vector<int64_t>> v(chunks, std::vector<int64_t>(codec.C));
  std::vector<std::pair<uint64_t, uint64_t>> escapes;  // chunk, channel
  const auto refill = [&](uint64_t& x) {
    if (x < 65536) x = x * 65536 + words.uint(2);
  };
  const uint64_t groups = (chunks + 31) / 32;
  for (uint64_t first = 0; first < groups; first += stream.R) {
    for (uint64_t c = 0; c < codec.C; ++c) {
      const Table& table = stream.tables[level][c];
      for (uint64_t g = first; g < std::min(groups, first + stream.R); ++g) {
        const uint64_t lanes = std::min<uint64_t>(32, chunks - 32 * g);
        std::vector<uint64_t> symbol(lanes);
        for (uint64_t a = 0; a < lanes; ++a) {
          const uint64_t slot = state[a] % 4096;
          uint64_t s = 0, start = 0;
          while (start + table.frequencies[s] <= slot) start += table.frequencies[s++];
          state[a] = table.frequencies[s] * (state[a] / 4096) + slot - start;
          refill(state[a]);
          symbol[a] = s;
        }
        for (uint64_t a = 0; a < lanes; ++a) {
          uint64_t q = 0;
          if (table.shift > 0) {
            q = state[a] % (1u << table.shift);
            state[a] = state[a] / (1u << table.shift);
            refill(state[a]);
          }
          if (symbol[a] == table.count) {
            escapes.emplace_back(32 * g + a, c);
          } else {
            v[32 * g + a][c] = table.minimum + static_cast<int64_t>((symbol[a] << table.shift) + q);
          }
        }
      }
    }
  }
  for (const uint64_t x : state) must(x == 65536, "tile: a lane does not end in the state that it must end in");
  must(words.left() == 0, "tile: words left over");

  for (const auto& [chunk, channel] : escapes) {
    const int64_t value = reader.zigzag();
    must(value >= -(1 << 30) && value <= (1 << 30), "tile: escape too large");
    v[chunk][channel] = value;
  }
  std::map<uint64_t, float> patches;
  uint64_t next = 0;
  while (reader.left() > 0) {
    const uint64_t d = reader.varint();
    must(next < chunks * codec.N && d < chunks * codec.N - next, "tile: patch outside the tile");
    const float value = static_cast<float>(f16_value(reader.uint(2)));
    must(std::isfinite(value), "tile: a patch must be finite");
    patches[next + d] = value;
    next += d + 1;
  }

  Vector y;
  for (uint64_t k = 0; k < chunks; ++k) {
    Vector z;
    for (uint64_t c = 0; c < codec.C; ++c) z.push_back(static_cast<float>(v[k][c]) + codec.centers[level][c]);
    for (const float value : codec.synthesis(level, z)) y.push_back(value);
  }
  for (const auto& [position, value] : patches) y[position] = value;
  for (const float value : y) must(std::isfinite(value), "tile: the transform gives a value that is not finite");
  return y;
}

uint64_t ceil_div(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }

Tensor decode_tensor(const Codec& codec, const std::string& name, const std::string& bytes, const Stored& scales,
                     const Stored* levels) {
  must(scales.dtype == "F16" && scales.shape.size() == 1, "scales: an F16 vector");
  must(levels == nullptr || (levels->dtype == "U8" && levels->shape.size() == 1), "levels: U8 [bytes]");
  const Stream stream = parse_stream(codec, name, bytes, scales.bytes, levels == nullptr ? nullptr : &levels->bytes);
  const uint64_t all_columns = product({stream.matrices, stream.columns});
  const uint64_t all_rows = product({stream.matrices, stream.rows});
  const uint64_t stored_columns = stream.one_scale ? 1 : all_columns, stored_rows = stream.row_factors ? all_rows : 0;
  must(scales.shape[0] == stored_columns + stored_rows, "scales: number of columns and rows");

  // Section 6.
  Vector scale, factor;
  Reader halves(scales.bytes);
  for (uint64_t i = 0; i < stored_columns + stored_rows; ++i) {
    const uint64_t bits = halves.uint(2);
    Vector& list = i < stored_columns ? scale : factor;
    list.push_back(static_cast<float>(std::ldexp(f16_value(bits), i < stored_columns ? stream.scale_exponent : 0)));
    must(bits >> 15 == 0 && std::isfinite(list.back()), "scales: must be finite, without a sign bit");
  }

  // Section 2: importance levels.
  std::vector<uint64_t> level(all_columns, 0);
  if (levels != nullptr) {
    const uint64_t bits = codec.K <= 2 ? 1 : codec.K <= 4 ? 2 : 4;
    must(levels->shape[0] == ceil_div(all_columns * bits, 8), "levels: number of bytes");
    for (uint64_t i = 0; i < all_columns; ++i) {
      const unsigned byte = static_cast<unsigned char>(levels->bytes[i * bits / 8]);
      level[i] = byte >> (i * bits % 8) & ((1u << bits) - 1);
      must(level[i] < codec.K, "levels: a level that the codec does not have");
    }
    const unsigned last_bits = static_cast<unsigned>(all_columns * bits % 8);
    must(last_bits == 0 || static_cast<unsigned char>(levels->bytes.back()) >> last_bits == 0,
         "levels: bits after the last one");
  }

  // Section 4, order of chunks: which chunk is what, before anything is allocated for the weights.
  struct Part {
    uint64_t matrix, level;
    std::vector<uint64_t> columns;
  };
  std::vector<Part> parts;
  const uint64_t S = ceil_div(stream.rows, codec.N);
  uint64_t tiles = 0;
  for (uint64_t m = 0; m < stream.matrices && stream.columns > 0; ++m) {
    for (uint64_t l = 0; l < codec.K; ++l) {
      Part part = {m, l, {}};
      for (uint64_t c = 0; c < stream.columns; ++c) {
        if (level[m * stream.columns + c] == l) part.columns.push_back(c);
      }
      if (part.columns.empty()) continue;
      tiles += ceil_div(product({S, part.columns.size()}), stream.T);
      must(tiles <= stream.tiles.size(), "stream: too few tiles for the shape");
      parts.push_back(part);
    }
  }
  must(tiles == stream.tiles.size(), "stream: number of tiles");

  Tensor tensor;
  tensor.compressed = true;
  tensor.dtype = stream.dtype;
  tensor.shape = {stream.transposed ? stream.columns : stream.rows, stream.transposed ? stream.rows : stream.columns};
  if (stream.dimensions == 3) tensor.shape.insert(tensor.shape.begin(), stream.matrices);
  tensor.values.resize(product({stream.matrices, stream.rows, stream.columns}));
  uint64_t tile = 0;
  for (const Part& part : parts) {
    const uint64_t n = part.columns.size();
    for (uint64_t first = 0; first < S * n; first += stream.T, ++tile) {
      const uint64_t chunks = std::min(stream.T, S * n - first);
      Vector y;
      try {
        y = decode_tile(codec, stream, part.level, chunks, stream.tiles[tile]);
      } catch (const std::runtime_error& e) {
        fail("tile " + std::to_string(tile) + ": " + e.what());
      }
      for (uint64_t i = 0; i < y.size(); ++i) {
        const uint64_t chunk = first + i / codec.N;
        const uint64_t row = chunk / n * codec.N + i % codec.N, column = part.columns[chunk % n];
        if (row >= stream.rows) continue;
        const uint64_t at = stream.transposed ? column * stream.rows + row : row * stream.columns + column;
        const float s = stream.one_scale ? scale[0] : scale[part.matrix * stream.columns + column];
        const float r = stream.row_factors ? factor[part.matrix * stream.rows + row] : 1.0f;
        const float scaled = y[i] * s;
        tensor.values[part.matrix * stream.rows * stream.columns + at] = scaled * r;
      }
    }
  }
  tensor.bytes = convert(tensor.values, tensor.dtype);
  return tensor;
}

// --- section 2: the directory

std::vector<File> read_shards(const std::filesystem::path& directory) {
  std::vector<File> shards;
  const std::filesystem::path index = directory / "model.safetensors.index.json";
  if (!std::filesystem::exists(index)) {
    shards.push_back(parse_safetensors(read_file(directory / "model.safetensors")));
    check_shard(shards.back());
    return shards;
  }
  std::map<std::string, std::set<std::string>> wanted;
  const Json parsed = parse_json(read_file(index));
  for (const auto& [name, file] : parsed.at("weight_map").items()) {
    if (name != "nwcodec.checksums") wanted[file.get<std::string>()].insert(name);
  }
  for (const auto& [file, names] : wanted) {
    must(file.find('/') == std::string::npos, "index: " + file + " is no bare file name");
    shards.push_back(parse_safetensors(read_file(directory / file)));
    check_shard(shards.back());
    std::set<std::string> there;
    for (const auto& entry : shards.back().tensors) there.insert(entry.first);
    must(there == names, "index and shard " + file + " disagree");
  }
  return shards;
}

void check_config(const std::filesystem::path& path, uint64_t codec_id) {
  if (!std::filesystem::exists(path)) return;
  const Json config = parse_json(read_file(path));
  must(config.is_object(), "config: must be an object");
  if (!config.contains("quantization_config")) return;
  const Json& ours = config.at("quantization_config");
  must(ours.at("quant_method") == "nwcodec", "config: quant_method");
  must(ours.at("format_version") == kVersion, "config: format version");
  char id[17];
  std::snprintf(id, sizeof id, "%016llx", static_cast<unsigned long long>(codec_id));
  must(ours.at("codec_id") == id, "config: another codec");
}

bool cut_suffix(std::string& name, const std::string& suffix) {
  if (name.size() < suffix.size() || name.substr(name.size() - suffix.size()) != suffix) return false;
  name.resize(name.size() - suffix.size());
  return true;
}

// Rounds to nearest even with `digits` significant binary digits and the smallest normal exponent `least`; the bits
// without the sign. A carry out of the fraction rightly runs into the exponent.
uint32_t round_bits(float magnitude, int digits, int least, uint32_t largest) {
  if (magnitude == 0) return 0;
  if (std::isinf(magnitude)) return largest;
  const int exponent = std::max(std::ilogb(magnitude), least);
  const double fraction = std::nearbyint(std::ldexp(static_cast<double>(magnitude), digits - 1 - exponent));
  return std::min(largest, (static_cast<uint32_t>(exponent - least) << (digits - 1)) + static_cast<uint32_t>(fraction));
}

}  // namespace

std::string convert(const std::vector<float>& values, const std::string& dtype) {
  std::string bytes;
  for (const float value : values) {
    const uint32_t sign = std::signbit(value) ? 1 : 0;
    const float magnitude = std::fabs(value);
    uint32_t bits = 0;
    unsigned size = 2;
    if (dtype == "F32") {
      bits = std::min(std::bit_cast<uint32_t>(magnitude), 0x7F7FFFFFu) | sign << 31;
      size = 4;
    } else if (dtype == "F16") {
      bits = round_bits(magnitude, 11, -14, 0x7BFF) | sign << 15;
    } else if (dtype == "BF16") {
      bits = round_bits(magnitude, 8, -126, 0x7F7F) | sign << 15;
    } else {
      fail("cannot convert to " + dtype);
    }
    for (unsigned i = 0; i < size; ++i) bytes += static_cast<char>(bits >> (8 * i) & 255);
  }
  return bytes;
}

std::map<std::string, Tensor> decode_checkpoint(const std::filesystem::path& directory) {
  const Codec codec = parse_codec(read_file(directory / "codec.safetensors"));
  check_config(directory / "config.json", codec.id);

  std::map<std::string, Tensor> result;
  const auto add = [&](const std::string& name, Tensor tensor) {
    must(result.emplace(name, std::move(tensor)).second, name + " is there twice");
  };
  std::set<std::string> stored_names;
  for (const File& shard : read_shards(directory)) {
    const auto find = [&](const std::string& name) {
      const auto found = shard.tensors.find(name);
      return found == shard.tensors.end() ? nullptr : &found->second;
    };
    for (const auto& [stored_name, tensor] : shard.tensors) {
      must(stored_names.insert(stored_name).second, stored_name + " is in two shards");
      std::string name = stored_name;
      if (cut_suffix(name, ".nwc_stream")) {
        must(tensor.dtype == "U8" && tensor.shape.size() == 1, stored_name + ": must be U8 [bytes]");
        const Stored* const scales = find(name + ".nwc_scales");
        must(scales != nullptr, name + ": has no scales");
        try {
          add(name, decode_tensor(codec, name, tensor.bytes, *scales, find(name + ".nwc_levels")));
        } catch (const std::runtime_error& e) {
          fail(name + ": " + e.what());
        }
      } else if (cut_suffix(name, ".nwc_scales") || cut_suffix(name, ".nwc_levels")) {
        must(find(name + ".nwc_stream") != nullptr, stored_name + ": has no stream");
      } else {
        add(name, {tensor.dtype, tensor.shape, tensor.bytes, false, {}});
      }
    }
  }
  return result;
}

}  // namespace nwc::reference
