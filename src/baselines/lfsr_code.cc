#include "baselines/lfsr_code.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "baselines/lfsr_kernel.h"

namespace nwc {
namespace {

constexpr unsigned kBits = 16;
constexpr size_t kPeriod = (size_t{1} << kBits) - 1, kSeeds = size_t{1} << kBits;  // the last is no seed
constexpr size_t kTiles = kSeeds / kLfsrTile;
constexpr unsigned kMostNumbers = 4, kMostLength = 16;

}  // namespace

std::vector<uint32_t> lfsr_states(unsigned bits, const std::vector<unsigned>& taps, uint32_t seed, size_t count) {
  std::vector<uint32_t> states;
  for (size_t i = 0; i < count; ++i) {
    uint32_t bit = 0;
    for (const unsigned tap : taps) bit ^= seed >> tap & 1;
    seed = seed >> 1 | bit << (bits - 1);
    states.push_back(seed);
  }
  return states;
}

LfsrCode::LfsrCode(unsigned length, unsigned numbers)
    : length_(length),
      numbers_(numbers),
      basis_(size_t{numbers} * length * kSeeds, 0.0f),
      by_seed_(size_t{numbers} * length * kSeeds, 0.0f),
      coefficients_(kSeeds * numbers * numbers, 0.0f) {
  constexpr float kHalf = 1 << (kBits - 1);
  // A seed is named by how many states come before it in the register's one period, which begins at 1.
  for (const uint32_t state : lfsr_states(kBits, {0, 1, 3, 12}, 1, kPeriod))
    states_.push_back((static_cast<float>(state) - kHalf) / (kHalf - 1));
  for (size_t i = 0; i < size_t{length} * numbers; ++i) states_.push_back(states_[i]);
  for (size_t s = 0; s < kPeriod; ++s) {
    // U = Q R by Gram and Schmidt, twice; R^-1 column by column.
    double q[kMostNumbers][kMostLength], r[kMostNumbers][kMostNumbers] = {}, inverse[kMostNumbers][kMostNumbers] = {};
    for (unsigned p = 0; p < numbers; ++p) {
      for (unsigned c = 0; c < length; ++c) q[p][c] = static_cast<double>(states_[s + c * numbers + p]);
      for (int pass = 0; pass < 2; ++pass) {
        for (unsigned o = 0; o < p; ++o) {
          double dot = 0;
          for (unsigned c = 0; c < length; ++c) dot += q[p][c] * q[o][c];
          for (unsigned c = 0; c < length; ++c) q[p][c] -= dot * q[o][c];
          r[o][p] += dot;
        }
      }
      double squares = 0;
      for (unsigned c = 0; c < length; ++c) squares += q[p][c] * q[p][c];
      r[p][p] = std::sqrt(squares);
      for (unsigned c = 0; c < length; ++c) {
        q[p][c] /= r[p][p];
        basis_[((s / kLfsrTile * numbers + p) * length + c) * kLfsrTile + s % kLfsrTile] =
            by_seed_[(s * numbers + p) * length + c] = static_cast<float>(q[p][c]);
      }
    }
    for (unsigned p = 0; p < numbers; ++p) {
      inverse[p][p] = 1 / r[p][p];
      for (unsigned o = p; o-- > 0;) {
        double sum = 0;
        for (unsigned k = o + 1; k <= p; ++k) sum += r[o][k] * inverse[k][p];
        inverse[o][p] = -sum / r[o][o];
      }
    }
    for (unsigned o = 0; o < numbers; ++o) {
      for (unsigned p = 0; p < numbers; ++p)
        coefficients_[(s * numbers + o) * numbers + p] = static_cast<float>(inverse[o][p]);
    }
  }
}

float LfsrCode::decode_best(const float* block, uint32_t seed, float* decoded) const {
  float inner[kMostNumbers], t[kMostNumbers], largest = 0;
  for (unsigned p = 0; p < numbers_; ++p) {
    inner[p] = 0;
    for (unsigned c = 0; c < length_; ++c) inner[p] += block[c] * by_seed_[(size_t{seed} * numbers_ + p) * length_ + c];
  }
  for (unsigned o = 0; o < numbers_; ++o) {
    t[o] = 0;
    for (unsigned p = 0; p < numbers_; ++p) t[o] += coefficients_[(seed * numbers_ + o) * numbers_ + p] * inner[p];
    largest = std::max(largest, std::abs(t[o]));
  }
  // The least exponent with |t| / 2^e <= 7.5, which rounds to 7 or, ties aside, less.
  int exponent = -8;
  if (largest > 0) {
    const float mantissa = std::frexp(largest / 7.5f, &exponent);
    exponent = std::clamp(mantissa == 0.5f ? exponent - 1 : exponent, -8, 7);
  }
  const float unit = std::ldexp(1.0f, exponent);
  for (unsigned o = 0; o < numbers_; ++o) t[o] = std::clamp(std::nearbyint(t[o] / unit), -8.0f, 7.0f) * unit;
  float error = 0;
  for (unsigned c = 0; c < length_; ++c) {
    decoded[c] = 0;
    for (unsigned o = 0; o < numbers_; ++o) decoded[c] += t[o] * states_[seed + c * numbers_ + o];
    const float d = block[c] - decoded[c];
    error += d * d;
  }
  return error;
}

// Tile by tile of seeds for many blocks, so that a tile's bases stay in the cache; only the largest share of each tile
// is kept, and the few tiles that may hold a better seed are looked at again.
void LfsrCode::quantise(const float* blocks, uint64_t count, float* decoded) const {
  constexpr uint64_t kGroups = 16;
  LfsrKernel* const kernel = lfsr_kernel(current_isa());
  const size_t of_tile = size_t{numbers_} * length_ * kLfsrTile, of_group = kLfsrTogether * length_;
  std::array<float, kLfsrTogether * kLfsrTile> shares;
  std::vector<float> largest(kGroups * kTiles * kLfsrTogether), wanted(kGroups * of_group);
  std::array<float, kMostLength> tried;
  for (uint64_t first = 0; first < count; first += kGroups * kLfsrTogether) {
    const uint64_t here = std::min<uint64_t>(kGroups * kLfsrTogether, count - first),
                   groups = (here + kLfsrTogether - 1) / kLfsrTogether;
    std::fill(wanted.begin(), wanted.end(), 0.0f);
    std::copy_n(blocks + first * length_, here * length_, wanted.begin());
    const auto look = [&](size_t tile, uint64_t group) {
      kernel({basis_.data() + tile * of_tile, length_, numbers_, wanted.data() + group * of_group, shares.data(),
              largest.data() + (group * kTiles + tile) * kLfsrTogether});
    };
    for (size_t tile = 0; tile < kTiles; ++tile) {
      for (uint64_t group = 0; group < groups; ++group) look(tile, group);
    }
    for (uint64_t b = 0; b < here; ++b) {
      const uint64_t group = b / kLfsrTogether;
      const float* const block = wanted.data() + b * length_;
      const float* const share = shares.data() + b % kLfsrTogether * kLfsrTile;
      float* const out = decoded + (first + b) * length_;
      float square = 0;
      for (unsigned c = 0; c < length_; ++c) square += block[c] * block[c];
      const auto most = [&](size_t tile) {
        return largest[(group * kTiles + tile) * kLfsrTogether + b % kLfsrTogether];
      };
      float error = 0;
      const auto search = [&](size_t tile) {
        look(tile, group);
        for (size_t s = 0; s < kLfsrTile && tile * kLfsrTile + s < kPeriod; ++s) {
          if (square - share[s] >= error) continue;
          const float found = decode_best(block, static_cast<uint32_t>(tile * kLfsrTile + s), tried.data());
          if (!(found < error)) continue;
          error = found;
          std::copy_n(tried.begin(), length_, out);
        }
      };
      size_t best = 0;
      for (size_t tile = 1; tile < kTiles; ++tile) {
        if (most(tile) > most(best)) best = tile;
      }
      look(best, group);
      const float* const in_best = std::max_element(share, share + kLfsrTile);
      const size_t seed = std::min(best * kLfsrTile + static_cast<size_t>(in_best - share), kPeriod - 1);
      error = decode_best(block, static_cast<uint32_t>(seed), out);
      for (size_t tile = 0; tile < kTiles; ++tile) {
        if (square - most(tile) < error) search(tile);
      }
    }
  }
}

}  // namespace nwc
