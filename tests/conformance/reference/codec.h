// docs/format.md, section 3: the codec.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nwc::reference {

struct Table {
  int64_t minimum = 0;
  uint64_t count = 0, shift = 0;
  std::vector<uint64_t> frequencies;  // count + 1, the escape's last
};

void check_table(const Table& table);

using Vector = std::vector<float>;

struct Linear {
  std::vector<Vector> weight;
  Vector bias;

  Vector operator()(const Vector& x) const;
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
  std::vector<Vector> centers;                 // [K][C]; none with a trellis
  std::vector<std::vector<uint64_t>> trellis;  // [S][2], or empty (section 8)

  // The chunk that the latents `z` stand for.
  Vector synthesis(uint64_t level, const Vector& z) const;
};

Codec parse_codec(const std::string& bytes);

}  // namespace nwc::reference
