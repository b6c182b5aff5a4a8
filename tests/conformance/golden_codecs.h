// The codecs made by hand of some golden checkpoints, and the numbers that all goldens are made from.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "base/half.h"
#include "codec/encode/encoder_codec.h"
#include "format/line_scales.h"

namespace nwc::testing {

// Nearly Gaussian numbers of variance 1 that no mathematical library has a say in.
class Numbers {
 public:
  explicit Numbers(uint32_t seed) : random_(seed) {}
  float next() {
    int64_t sum = 0;
    for (int i = 0; i < 12; ++i) sum += static_cast<int64_t>(random_() >> 16);
    return static_cast<float>(static_cast<double>(sum - 6 * 65535) / 65536.0);
  }
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_()) % n; }
  std::vector<float> many(size_t n, float deviation) {
    std::vector<float> values(n);
    for (float& v : values) v = deviation * next();
    return values;
  }
  // Exact in binary16.
  std::vector<float> halves(size_t n, float deviation, float mean = 0) {
    std::vector<float> values = many(n, deviation);
    for (float& v : values) v = float_from_half(half_from_float(v + mean));
    return values;
  }

 private:
  std::mt19937 random_;
};

// Levels of columns.
std::vector<uint8_t> random_levels(size_t columns, uint32_t levels, Numbers& numbers);

// Numbers of lines such that classes add up to all tables, and to some that are not there.
LineScales random_lines(uint64_t matrices, uint64_t rows, uint64_t columns, Numbers& numbers);

// Two blocks with an embedding each, five levels (four bits each), chunks of 12, every shift up to 15.
EncoderCodec blocks_codec();

// Everything as small as it may be: one weight, one latent, one neuron, one level, one symbol.
EncoderCodec minimal_codec();

// Level 1 overflows to infinity whatever the symbols: its weights can only be patches.
EncoderCodec overflow_codec();

// No transform, two levels of which the second doubles, chunks of eight: 16 tables, from narrow to wide, with shifts.
EncoderCodec lines_codec();

// A trellis of eight states, chunks of eight: 16 tables for each union, from narrow to wide, with shifts.
EncoderCodec trellis_golden_codec();

}  // namespace nwc::testing
