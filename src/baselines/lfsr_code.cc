#include "baselines/lfsr_code.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "nwcodec/isa.h"

namespace nwc {
namespace {

constexpr unsigned kBits = 16;
constexpr size_t kPeriod = (size_t{1} << kBits) - 1, kSeeds = size_t{1} << kBits;  // the last is no seed
constexpr size_t kTile = 256, kTiles = kSeeds / kTile;
constexpr unsigned kTogether = 4, kMostNumbers = 4, kMostLength = 16;

// shares[b][s]: how much of block b's square lies in the basis of seed s, for a tile of seeds. One source for all
// instruction sets: the compiler vectorises over seeds. kFused: with fused multiply-add, which the scalar body has not.
template <unsigned kLength, unsigned kNumbers, bool kFused>
[[gnu::always_inline]] inline void shares_of_tile(const float* __restrict basis, const float* blocks,
                                                  float* __restrict shares) {
  constexpr size_t kRun = 32;
  for (size_t s = 0; s < kTile; s += kRun) {
    float sums[kTogether][kRun] = {};
    for (unsigned p = 0; p < kNumbers; ++p) {
      float inner[kTogether][kRun] = {};
      for (unsigned c = 0; c < kLength; ++c) {
        const float* const column = basis + (p * kLength + c) * kSeeds + s;
        for (unsigned b = 0; b < kTogether; ++b) {
          const float w = blocks[b * kLength + c];
          for (size_t l = 0; l < kRun; ++l)
            inner[b][l] = kFused ? __builtin_fmaf(w, column[l], inner[b][l]) : inner[b][l] + w * column[l];
        }
      }
      for (unsigned b = 0; b < kTogether; ++b) {
        for (size_t l = 0; l < kRun; ++l) sums[b][l] += inner[b][l] * inner[b][l];
      }
    }
    for (unsigned b = 0; b < kTogether; ++b) {
      for (size_t l = 0; l < kRun; ++l) shares[b * kSeeds + s + l] = sums[b][l];
    }
  }
}

using TileShares = void(const float* basis, const float* blocks, float* shares);

template <unsigned kLength, unsigned kNumbers>
void scalar(const float* basis, const float* blocks, float* shares) {
  shares_of_tile<kLength, kNumbers, false>(basis, blocks, shares);
}
#if defined(__x86_64__)
template <unsigned kLength, unsigned kNumbers>
[[gnu::target("avx2,fma")]] void avx2(const float* basis, const float* blocks, float* shares) {
  shares_of_tile<kLength, kNumbers, true>(basis, blocks, shares);
}
template <unsigned kLength, unsigned kNumbers>
[[gnu::target("avx512f,prefer-vector-width=512")]] void avx512(const float* basis, const float* blocks, float* shares) {
  shares_of_tile<kLength, kNumbers, true>(basis, blocks, shares);
}
#endif

template <unsigned kLength, unsigned kNumbers>
TileShares* body_for() {
#if defined(__x86_64__)
  if (current_isa() == Isa::kAvx512) return avx512<kLength, kNumbers>;
  if (current_isa() == Isa::kAvx2) return avx2<kLength, kNumbers>;
#endif
  return scalar<kLength, kNumbers>;
}

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
        basis_[(p * length + c) * kSeeds + s] = static_cast<float>(q[p][c]);
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
    for (unsigned c = 0; c < length_; ++c) inner[p] += block[c] * basis_[(p * length_ + c) * kSeeds + seed];
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

void LfsrCode::quantise(const float* blocks, uint64_t count, float* decoded) const {
  TileShares* const body = numbers_ == 3 ? body_for<8, 3>() : body_for<12, 4>();
  std::vector<float> shares(kTogether * kSeeds), largest(kTogether * kTiles);
  std::vector<float> group(size_t{kTogether} * length_);
  std::array<float, kMostLength> tried;
  for (uint64_t first = 0; first < count; first += kTogether) {
    const uint64_t here = std::min<uint64_t>(kTogether, count - first);
    std::fill(group.begin(), group.end(), 0.0f);
    std::copy_n(blocks + first * length_, here * length_, group.begin());
    for (size_t tile = 0; tile < kTiles; ++tile)
      body(basis_.data() + tile * kTile, group.data(), shares.data() + tile * kTile);
    for (uint64_t b = 0; b < here; ++b) {
      const float* const block = group.data() + b * length_;
      const float* const share = shares.data() + b * kSeeds;
      float* const out = decoded + (first + b) * length_;
      float square = 0;
      for (unsigned c = 0; c < length_; ++c) square += block[c] * block[c];
      // The largest share of each tile, in lanes that the compiler can keep apart.
      size_t best = 0;
      for (size_t tile = 0; tile < kTiles; ++tile) {
        std::array<float, 16> lanes{};
        for (size_t s = tile * kTile; s < (tile + 1) * kTile; s += lanes.size()) {
          for (size_t l = 0; l < lanes.size(); ++l) lanes[l] = share[s + l] > lanes[l] ? share[s + l] : lanes[l];
        }
        largest[tile] = *std::max_element(lanes.begin(), lanes.end());
        if (largest[tile] > largest[best]) best = tile;
      }
      const float* const in_best = std::max_element(share + best * kTile, share + (best + 1) * kTile);
      uint32_t seed = static_cast<uint32_t>(std::min<size_t>(static_cast<size_t>(in_best - share), kPeriod - 1));
      float error = decode_best(block, seed, out);
      for (size_t tile = 0; tile < kTiles; ++tile) {
        if (square - largest[tile] >= error) continue;
        for (size_t s = tile * kTile; s < std::min(kPeriod, (tile + 1) * kTile); ++s) {
          if (square - share[s] >= error) continue;
          const float found = decode_best(block, static_cast<uint32_t>(s), tried.data());
          if (!(found < error)) continue;
          error = found;
          std::copy_n(tried.begin(), length_, out);
        }
      }
    }
  }
}

}  // namespace nwc
