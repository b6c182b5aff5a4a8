// XXH3-64, the only hash of the format.
#pragma once

#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace nwc {

inline uint64_t xxh3(std::span<const std::byte> bytes, uint64_t seed = 0) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}
inline uint64_t xxh3(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

// Sixteen lower-case hexadecimal digits.
std::string hex64(uint64_t value);

}  // namespace nwc
