#include "conformance/reference/tile.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "conformance/reference/bytes.h"

namespace nwc::reference {

std::vector<std::vector<int64_t>> decode_integers(Reader& reader, uint64_t channels, uint64_t run, uint64_t chunks,
                                                  const TableOf& table_of,
                                                  const std::vector<std::vector<uint64_t>>& trellis) {
  const uint64_t word_bytes = 2 * reader.uint(4);
  std::vector<uint64_t> state;
  for (uint64_t a = 0; a < std::min<uint64_t>(32, chunks); ++a) {
    state.push_back(reader.uint(4));
    must(state.back() >= 65536, "tile: state too small");
  }
  const std::string word_data = reader.take(word_bytes);
  Reader words(word_data);

  // Symbols, and the escapes to be spelled out.
  std::vector<std::vector<int64_t>> v(chunks, std::vector<int64_t>(channels));
  std::vector<std::pair<uint64_t, uint64_t>> escapes;  // chunk, channel
  std::vector<uint64_t> t(chunks, 0);
  std::vector<std::vector<uint64_t>> odd(chunks, std::vector<uint64_t>(channels, 0));
  const auto refill = [&](uint64_t& x) {
    if (x < 65536) x = x * 65536 + words.uint(2);
  };
  const uint64_t groups = (chunks + 31) / 32;
  for (uint64_t first = 0; first < groups; first += run) {
    for (uint64_t c = 0; c < channels; ++c) {
      for (uint64_t g = first; g < std::min(groups, first + run); ++g) {
        const uint64_t lanes = std::min<uint64_t>(32, chunks - 32 * g);
        std::vector<uint64_t> symbol(lanes);
        for (uint64_t a = 0; a < lanes; ++a) {
          const Table& table = table_of(32 * g + a, c, t[32 * g + a]);
          const uint64_t slot = state[a] % 4096;
          uint64_t s = 0, start = 0;
          while (start + table.frequencies[s] <= slot) start += table.frequencies[s++];
          state[a] = table.frequencies[s] * (state[a] / 4096) + slot - start;
          refill(state[a]);
          symbol[a] = s;
        }
        for (uint64_t a = 0; a < lanes; ++a) {
          const uint64_t chunk = 32 * g + a;
          const Table& table = table_of(chunk, c, t[chunk]);
          uint64_t q = 0;
          if (table.shift > 0) {
            q = state[a] % (1u << table.shift);
            state[a] = state[a] / (1u << table.shift);
            refill(state[a]);
          }
          if (symbol[a] == table.count) {
            escapes.emplace_back(chunk, c);
          } else {
            v[chunk][c] = table.minimum + static_cast<int64_t>((symbol[a] << table.shift) + q);
          }
          if (trellis.empty()) continue;
          odd[chunk][c] = t[chunk] % 2;
          t[chunk] = trellis[t[chunk]][((symbol[a] << table.shift) + q) % 2];
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
  for (uint64_t i = 0; i < chunks && !trellis.empty(); ++i) {
    for (uint64_t c = 0; c < channels; ++c) v[i][c] = 2 * v[i][c] + static_cast<int64_t>(odd[i][c]);
  }
  return v;
}

Vector decode_tile(const Codec& codec, const Stream& stream, uint64_t level, uint64_t chunks, const TableOf& table_of,
                   const std::string& bytes) {
  Reader reader(bytes);
  const std::vector<std::vector<int64_t>> v =
      decode_integers(reader, codec.C, stream.R, chunks, table_of, codec.trellis);
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
    if (!codec.trellis.empty()) {
      for (const int64_t integer : v[k]) y.push_back(static_cast<float>(integer));
      continue;
    }
    for (uint64_t c = 0; c < codec.C; ++c) z.push_back(static_cast<float>(v[k][c]) + codec.centers[level][c]);
    for (const float value : codec.synthesis(level, z)) y.push_back(value);
  }
  for (const auto& [position, value] : patches) y[position] = value;
  for (const float value : y) must(std::isfinite(value), "tile: the transform gives a value that is not finite");
  return y;
}

}  // namespace nwc::reference
