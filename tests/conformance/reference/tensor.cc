#include "conformance/reference/tensor.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "conformance/reference/bytes.h"
#include "conformance/reference/stream.h"
#include "conformance/reference/tile.h"

namespace nwc::reference {

namespace {

uint64_t ceil_div(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }

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

  if (stream.has_lines) {
    const float base = scale[0];
    scale.clear();
    const int64_t finer = int64_t{1} << stream.p;
    const auto fill = [&](float of, const std::vector<int64_t>& steps, const std::vector<int64_t>& corrections,
                          Vector& values) {
      for (size_t i = 0; i < steps.size(); ++i)
        values.push_back(line_scale(of, steps[i] * finer + (stream.p > 0 ? corrections[i] : 0), 8 * finer));
    };
    fill(base, stream.lines.column_steps, stream.lines.column_corrections, scale);
    fill(1, stream.lines.row_steps, stream.lines.row_corrections, factor);
    for (const float s : scale) must(std::isfinite(s), "line scales: a step that is not finite");
    for (const float s : factor) must(std::isfinite(s), "line scales: a step that is not finite");
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
  tensor.is_difference = stream.is_difference;
  tensor.base = stream.base;
  tensor.identity = stream.identity;
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
        const auto table_of = [&](uint64_t i, uint64_t c, uint64_t t) -> const Table& {
          const uint64_t chunk = first + i;
          return stream.table(part.matrix, part.level, part.columns[chunk % n], chunk / n * codec.N, c, t);
        };
        y = decode_tile(codec, stream, part.level, chunks, table_of, stream.tiles[tile]);
      } catch (const std::runtime_error& e) {
        fail("tile " + std::to_string(tile) + ": " + e.what());
      }
      for (uint64_t i = 0; i < y.size(); ++i) {
        const uint64_t chunk = first + i / codec.N;
        const uint64_t row = chunk / n * codec.N + i % codec.N, column = part.columns[chunk % n];
        if (row >= stream.rows) continue;
        const uint64_t at = stream.transposed ? column * stream.rows + row : row * stream.columns + column;
        const float s = stream.one_scale && !stream.has_lines ? scale[0] : scale[part.matrix * stream.columns + column];
        const float r = stream.row_factors || stream.has_lines ? factor[part.matrix * stream.rows + row] : 1.0f;
        const float scaled = y[i] * s;
        tensor.values[part.matrix * stream.rows * stream.columns + at] = scaled * r;
      }
    }
  }
  tensor.bytes = convert(tensor.values, tensor.dtype);
  return tensor;
}

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

}  // namespace nwc::reference
