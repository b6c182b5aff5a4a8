// Makes mutated streams acceptable to the checks that stop nearly every mutation at the door.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "format/rule_table.h"
#include "format/stream_header.h"
#include "nwcodec/version.h"

namespace nwc::testing {

inline constexpr size_t kStreamHeaderSize = 96;

// Sound checksums over whatever is there, so that mutations get past them; `sane` also brings the header's numbers
// within their bounds. Flags and context rules of the format stay as they are (format/stream_header_test.cc sees to
// it).
inline void repair_stream(std::vector<std::byte>& stream, std::string_view name, uint64_t codec_id,
                          std::span<const std::byte> scales, std::span<const std::byte> levels, bool sane) {
  if (stream.size() < kStreamHeaderSize) stream.resize(kStreamHeaderSize);
  std::byte* const p = stream.data();
  std::memcpy(p, "NWCS", 4);
  if (load_le<uint16_t>(p + 4) < 2 || load_le<uint16_t>(p + 4) > kFormatVersion) store_le<uint16_t>(p + 4, 1);
  store_le<uint16_t>(p + 6, kStreamHeaderSize);
  store_le(p + 8, codec_id);
  const uint64_t tensor_id = xxh3(name);
  store_le(p + 16, tensor_id);
  store_le(p + 24, xxh3(scales));
  store_le(p + 32, xxh3(levels));
  if (sane) {
    for (const size_t at : {40, 48, 56}) store_le<uint64_t>(p + at, load_le<uint64_t>(p + at) % 200);
    // Values within the bounds stay as they are.
    store_le<uint32_t>(p + 64, 32 * (1 + (load_le<uint32_t>(p + 64) / 32 - 1) % 64));
    store_le<uint16_t>(p + 68, static_cast<uint16_t>(1 + (load_le<uint16_t>(p + 68) - 1u) % 64));
    p[72] = static_cast<std::byte>(1 + (static_cast<unsigned>(p[72]) - 1) % 3);
    p[73] = static_cast<std::byte>(2 + (static_cast<unsigned>(p[73]) - 2) % 2);
    if (p[73] == std::byte{2}) store_le<uint64_t>(p + 40, 1);
    store_le<uint16_t>(p + 74, load_le<uint16_t>(p + 74) & kKnownStreamFlags);
    p[76] = static_cast<std::byte>(static_cast<unsigned>(p[76]) % std::size(kContextRules));
    std::memset(p + 78, 0, 2);
    const RuleTraits& rule = kContextRules[static_cast<unsigned>(p[76])];
    const bool lines = rule.line_scales;
    p[77] = static_cast<std::byte>(lines ? static_cast<unsigned>(p[77]) % (kMaxCorrectionBits + 1u) : 0u);
    const bool difference = (load_le<uint16_t>(p + 74) & kStreamDifference) != 0;
    const unsigned version =
        std::max({rule.version, p[77] != std::byte{0} ? kCorrectionsVersion : 1, difference ? kDifferencesVersion : 1});
    store_le<uint16_t>(p + 4, static_cast<uint16_t>(version));
    if (lines) {
      store_le<uint16_t>(
          p + 74, static_cast<uint16_t>((load_le<uint16_t>(p + 74) | kStreamOneScale) & ~unsigned{kStreamRowFactors}));
    }
    if (rule.trellis) {
      store_le<uint16_t>(p + 68, 1);
      store_le<uint16_t>(
          p + 74, static_cast<uint16_t>(load_le<uint16_t>(p + 74) & ~unsigned{kStreamLevels | kStreamOwnTables}));
    }
    const uint64_t fits = stream.size() - kStreamHeaderSize + 1;
    const uint32_t least = difference ? 8 : 0;  // the base's identity
    if (lines || (static_cast<unsigned>(p[74]) & kStreamOwnTables) != 0) {
      store_le<uint32_t>(p + 84, std::max(least, static_cast<uint32_t>(load_le<uint32_t>(p + 84) % fits)));
    } else {
      store_le<uint32_t>(p + 84, least);
    }
  }
  const uint64_t own = load_le<uint32_t>(p + 84), room = stream.size() - kStreamHeaderSize;
  if (own > room) return;
  // As many tiles as fit; in sane mode their sizes are cut to what is there, the last takes the rest.
  const uint64_t tiles = std::min<uint64_t>(load_le<uint32_t>(p + 80), (room - own) / 8);
  store_le<uint32_t>(p + 80, static_cast<uint32_t>(tiles));
  uint64_t offset = kStreamHeaderSize + own + 8 * tiles;
  const size_t head = offset;
  for (uint64_t t = 0; t < tiles; ++t) {
    std::byte* const entry = p + kStreamHeaderSize + own + 8 * t;
    const uint64_t left = stream.size() - offset;
    uint64_t size = load_le<uint32_t>(entry);
    if (sane) size = t + 1 == tiles ? left : size % (left + 1);
    if (size > left) break;
    store_le<uint32_t>(entry, static_cast<uint32_t>(size));
    store_le(entry + 4, tile_checksum({p + offset, size}, tensor_id, t));
    offset += size;
  }
  std::vector<std::byte> covered(p, p + 88);
  covered.insert(covered.end(), p + kStreamHeaderSize, p + head);
  store_le(p + 88, xxh3(covered));
}

}  // namespace nwc::testing
