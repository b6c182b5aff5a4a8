// Conventions of docs/format.md: numbers, varints, checksums; and how the reference decoder fails.
#pragma once

#include <xxhash.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <string>

namespace nwc::reference {

[[noreturn]] inline void fail(const std::string& message) { throw std::runtime_error(message); }

inline void must(bool holds, const std::string& message) {
  if (!holds) fail(message);
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  must(in.good(), "cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline uint64_t xxh3(const std::string& bytes, uint64_t seed = 0) {
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

inline float f32_from_bits(uint64_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits)); }

// Exact: every binary16 number is a binary64 number.
inline double f16_value(uint64_t bits) {
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

}  // namespace nwc::reference
