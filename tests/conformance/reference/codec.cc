#include "conformance/reference/codec.h"

#include <algorithm>
#include <cmath>

#include "conformance/reference/bytes.h"
#include "conformance/reference/safetensors.h"

namespace nwc::reference {

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

Vector Linear::operator()(const Vector& x) const {
  Vector y;
  for (size_t j = 0; j < bias.size(); ++j) {
    float acc = bias[j];
    for (size_t k = 0; k < x.size(); ++k) acc = std::fma(weight[j][k], x[k], acc);
    y.push_back(acc);
  }
  return y;
}

Vector Codec::synthesis(uint64_t level, const Vector& z) const {
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

namespace {

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

void read_synthesis(const File& file, Codec& codec) {
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
}

}  // namespace

Codec parse_codec(const std::string& bytes) {
  const File file = parse_safetensors(bytes);
  must(file.metadata.count("nwcodec.format_version") == 1, "codec: format version");
  const std::string version = file.metadata.at("nwcodec.format_version");
  must(version == "1" || version == "2" || version == "3" || version == "4" || version == "5", "codec: format version");
  Codec codec;
  codec.id = xxh3(bytes);
  const std::vector<uint64_t> parameters = shape_of(file, "tables.parameters", 3);
  codec.K = parameters[0];
  codec.C = parameters[1];
  if (version >= "3" && file.tensors.count("trellis.next") == 1) {
    const uint64_t S = shape_of(file, "trellis.next", 2)[0];
    must(S >= 1 && S <= 64, "trellis: number of states");
    Reader entries(get(file, "trellis.next", "U8", {S, 2}).bytes);
    for (uint64_t t = 0; t < S; ++t) {
      codec.trellis.push_back({entries.uint(1), entries.uint(1)});
      must(codec.trellis[t][0] < S && codec.trellis[t][1] < S, "trellis: no such state");
    }
    codec.N = codec.W = codec.C;
    must(codec.K >= 1 && codec.K <= 8 && codec.C >= 1 && codec.C <= 256, "codec: limits");
    must(codec.K * codec.C % 2 == 0, "trellis: an odd number of tables");
  } else {
    read_synthesis(file, codec);
  }

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
      must(codec.trellis.empty() || (table.minimum % 2 == 0 && table.count % 2 == 0), "trellis: an odd table");
      for (uint64_t s = 0; s <= table.count; ++s) table.frequencies.push_back(frequencies.uint(2));
      check_table(table);
      codec.tables.back().push_back(table);
    }
  }
  must(frequencies.left() == 0, "codec: frequencies after the last table");
  return codec;
}

}  // namespace nwc::reference
