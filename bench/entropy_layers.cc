// Candidates for the entropy layer beside each other, on one core: interleaved rANS (ours), prefix codes with two
// symbols by one look-up, prefix codes with one, tANS, zstd. Integers of Gaussian weights at 2.4, 3 and 4 bits, one
// table for all; where the name says so, one of 64 tables for each symbol, as contexts by row and column have them.
//
// Prints symbols per second and bits above the entropy. docs/lab/entropy_coding.md says what follows from it.
#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <queue>
#include <random>
#include <vector>

#include "entropy/encode/tile_encoder.h"
#include "entropy/tile_decoder.h"

namespace nwc {
namespace {

constexpr size_t kSymbols = size_t{1} << 22;
constexpr size_t kStreams = 4, kPart = kSymbols / kStreams;
constexpr unsigned kBits = 12;  // of a look-up
constexpr uint32_t kMask = (1u << kBits) - 1;

// Bits from the lowest on, 56 at least after refill(). The bytes end with eight more.
struct Reader {
  const uint8_t* at;
  uint64_t bits = 0;
  unsigned count = 0;
  void refill() {
    uint64_t word;
    std::memcpy(&word, at, 8);
    bits |= word << count;
    at += (63 - count) >> 3;
    count |= 56;
  }
  void drop(unsigned n) {
    bits >>= n;
    count -= n;
  }
};
struct Writer {
  std::vector<uint8_t> bytes;
  uint64_t bits = 0;
  unsigned count = 0;
  void put(uint64_t value, unsigned n) {
    bits |= value << count;
    for (count += n; count >= 8; count -= 8, bits >>= 8) bytes.push_back(static_cast<uint8_t>(bits));
  }
  void end() {
    bytes.push_back(static_cast<uint8_t>(bits));
    bytes.resize(bytes.size() + 8);
  }
};

// Lengths of a Huffman code of at most kBits; rare symbols are made less rare until it is.
std::vector<unsigned> code_lengths(std::vector<uint64_t> counts) {
  for (;;) {
    using Node = std::pair<uint64_t, std::vector<unsigned>>;
    std::priority_queue<Node, std::vector<Node>, std::greater<>> queue;
    for (unsigned s = 0; s < counts.size(); ++s) queue.push({std::max<uint64_t>(1, counts[s]), {s}});
    std::vector<unsigned> lengths(counts.size(), 0);
    while (queue.size() > 1) {
      Node a = queue.top();
      queue.pop();
      const Node b = queue.top();
      queue.pop();
      a.first += b.first;
      a.second.insert(a.second.end(), b.second.begin(), b.second.end());
      for (const unsigned s : a.second) ++lengths[s];
      queue.push(std::move(a));
    }
    if (*std::max_element(lengths.begin(), lengths.end()) <= kBits) return lengths;
    const uint64_t largest = *std::max_element(counts.begin(), counts.end());
    for (uint64_t& c : counts) c = std::max(c + 1, largest >> (kBits - 1));
  }
}

struct PrefixCode {
  std::vector<unsigned> lengths;
  std::vector<uint32_t> codes;                    // bits in the order of reading
  std::array<uint32_t, size_t{1} << kBits> one;   // symbol | length << 16
  std::array<uint32_t, size_t{1} << kBits> pair;  // symbol | second << 8 | length << 16 | how many << 24

  explicit PrefixCode(const std::vector<uint64_t>& counts) : lengths(code_lengths(counts)), codes(counts.size()) {
    uint32_t next = 0;
    for (unsigned length = 1; length <= kBits; ++length, next <<= 1) {
      for (unsigned s = 0; s < counts.size(); ++s) {
        if (lengths[s] != length) continue;
        for (unsigned b = 0; b < length; ++b) codes[s] |= (next >> b & 1) << (length - 1 - b);
        ++next;
        for (uint32_t rest = 0; rest < 1u << (kBits - length); ++rest)
          one[rest << length | codes[s]] = s | length << 16;
      }
    }
    for (uint32_t i = 0; i <= kMask; ++i) {
      const uint32_t first = one[i], length = first >> 16, second = one[i >> length];
      pair[i] = length + (second >> 16) <= kBits
                    ? (first & 0xFF) | (second & 0xFF) << 8 | (length + (second >> 16)) << 16 | 2u << 24
                    : (first & 0xFF) | length << 16 | 1u << 24;
    }
  }
};

// tANS (Duda; the states of a symbol spread by zstd's step), frequencies of 12 bits.
struct AnsCode {
  struct Entry {
    uint16_t base;
    uint8_t symbol, bits;
  };
  std::array<Entry, size_t{1} << kBits> entries;
  std::vector<std::vector<uint16_t>> before;  // by symbol and state: the state of the symbol that leads there

  explicit AnsCode(const std::vector<uint16_t>& frequencies)
      : before(frequencies.size(), std::vector<uint16_t>(size_t{1} << kBits)) {
    constexpr uint32_t kSize = 1u << kBits, kStep = (kSize >> 1) + (kSize >> 3) + 3;
    uint32_t at = 0;
    for (unsigned s = 0; s < frequencies.size(); ++s) {
      for (unsigned i = 0; i < frequencies[s]; ++i, at = (at + kStep) & kMask)
        entries[at].symbol = static_cast<uint8_t>(s);
    }
    std::vector<uint32_t> next(frequencies.begin(), frequencies.end());
    for (uint32_t state = 0; state < kSize; ++state) {
      const unsigned s = entries[state].symbol;
      const uint32_t x = next[s]++;
      const unsigned bits = kBits - (31 - static_cast<unsigned>(__builtin_clz(x)));
      entries[state].bits = static_cast<uint8_t>(bits);
      entries[state].base = static_cast<uint16_t>((x << bits) - kSize);
      std::fill_n(before[s].begin() + entries[state].base, size_t{1} << bits, static_cast<uint16_t>(state));
    }
  }
};

struct Source {
  std::vector<uint8_t> symbols, contexts;  // contexts: of 64 tables
  std::vector<uint64_t> counts;
  FrequencyTable table;
  double entropy = 0;
};

Source source_of(double sigma) {
  Source s;
  const int reach = static_cast<int>(std::ceil(4.5 * sigma)) + 1;
  std::mt19937 random(1);
  std::normal_distribution<double> gaussian(0, sigma);
  s.counts.assign(static_cast<size_t>(2 * reach + 1), 0);
  for (size_t i = 0; i < kSymbols; ++i) {
    const int v = std::clamp(static_cast<int>(std::lround(gaussian(random))), -reach, reach) + reach;
    s.symbols.push_back(static_cast<uint8_t>(v));
    s.contexts.push_back(static_cast<uint8_t>(random() % 64));
    ++s.counts[static_cast<size_t>(v)];
  }
  s.table = {0, 0, {}};
  int32_t left = kFrequencyTotal - 1;  // the escape takes one
  for (const uint64_t c : s.counts) {
    if (c > 0) s.entropy -= static_cast<double>(c) / kSymbols * std::log2(static_cast<double>(c) / kSymbols);
    s.table.frequencies.push_back(
        static_cast<uint16_t>(std::max<double>(1, std::floor(static_cast<double>(c) / kSymbols * 4000))));
    left -= s.table.frequencies.back();
  }
  s.table.frequencies[static_cast<size_t>(reach)] += static_cast<uint16_t>(left);
  s.table.frequencies.push_back(1);
  return s;
}

void report(const Source& s, const std::string& name, size_t bytes, const std::function<void()>& decode) {
  std::vector<double> seconds;
  for (int i = 0; i < 11; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    decode();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(seconds.begin(), seconds.end());
  const double bits = 8.0 * static_cast<double>(bytes) / kSymbols;
  fmt::print("  {:42} {:8.0f} M symbols/s   {:+.4f} bits above {:.3f}\n", name, kSymbols / seconds[5] * 1e-6,
             bits - s.entropy, s.entropy);
}
void verify(const Source& s, const std::vector<uint8_t>& out) {
  if (!std::equal(s.symbols.begin(), s.symbols.end(), out.begin())) fmt::print("  WRONG SYMBOLS\n");
}

template <bool kByContext>
void prefix(const Source& s, bool pairs) {
  const std::vector<PrefixCode> codes(kByContext ? 64 : 1, PrefixCode(s.counts));
  std::array<Writer, kStreams> streams;
  size_t bytes = 0;
  for (size_t p = 0; p < kStreams; ++p) {
    for (size_t i = p * kPart; i < (p + 1) * kPart; ++i)
      streams[p].put(codes[0].codes[s.symbols[i]], codes[0].lengths[s.symbols[i]]);
    streams[p].end();
    bytes += streams[p].bytes.size() - 8;
  }
  std::vector<uint8_t> out(kSymbols + 64);
  const auto one = [&](Reader& r, uint8_t*& to, const uint8_t* context) {
    const uint32_t entry = codes[kByContext ? *context : 0].one[r.bits & kMask];
    *to++ = static_cast<uint8_t>(entry);
    r.drop(entry >> 16);
  };
  const auto decode = [&] {
    std::array<Reader, kStreams> r;
    std::array<uint8_t*, kStreams> to, end;
    for (size_t p = 0; p < kStreams; ++p) {
      r[p] = {streams[p].bytes.data()};
      to[p] = out.data() + p * kPart;
      end[p] = to[p] + kPart;
    }
    constexpr ptrdiff_t kAhead = 8;
    const auto room = [&] {
      bool there = true;
      for (size_t p = 0; p < kStreams; ++p) there = there && end[p] - to[p] >= kAhead;
      return there;
    };
    while (room()) {
      for (size_t p = 0; p < kStreams; ++p) r[p].refill();
      for (int step = 0; step < 4; ++step) {
        for (size_t p = 0; p < kStreams; ++p) {
          if (!pairs) {
            one(r[p], to[p], s.contexts.data() + (to[p] - out.data()));
            continue;
          }
          const uint32_t entry = codes[0].pair[r[p].bits & kMask];
          to[p][0] = static_cast<uint8_t>(entry);
          to[p][1] = static_cast<uint8_t>(entry >> 8);
          to[p] += entry >> 24;
          r[p].drop(entry >> 16 & 0xFF);
        }
      }
    }
    for (size_t p = 0; p < kStreams; ++p) {
      while (to[p] < end[p]) {
        r[p].refill();
        one(r[p], to[p], s.contexts.data() + (to[p] - out.data()));
      }
    }
  };
  report(s,
         pairs        ? "prefix code, pairs by one look-up"
         : kByContext ? "prefix code, 64 tables, one by one"
                      : "prefix code, one by one",
         bytes, decode);
  verify(s, out);
}

template <bool kByContext>
void tans(const Source& s) {
  std::vector<uint16_t> frequencies(s.table.frequencies.begin(), s.table.frequencies.end());
  const std::vector<AnsCode> codes(kByContext ? 64 : 1, AnsCode(frequencies));
  std::array<Writer, kStreams> streams;
  size_t bytes = 0;
  for (size_t p = 0; p < kStreams; ++p) {
    // Backwards; what the decoder reads last is made first.
    std::vector<std::pair<uint32_t, unsigned>> pieces;
    uint32_t state = 0;
    for (size_t i = (p + 1) * kPart; i-- > p * kPart;) {
      const unsigned symbol = s.symbols[i];
      const uint16_t before = codes[0].before[symbol][state];
      const AnsCode::Entry& entry = codes[0].entries[before];
      pieces.emplace_back(state - entry.base, entry.bits);
      state = before;
    }
    streams[p].put(state, kBits);
    for (size_t i = pieces.size(); i-- > 0;) streams[p].put(pieces[i].first, pieces[i].second);
    streams[p].end();
    bytes += streams[p].bytes.size() - 8;
  }
  std::vector<uint8_t> out(kSymbols);
  const auto decode = [&] {
    std::array<Reader, kStreams> r;
    std::array<uint32_t, kStreams> state;
    for (size_t p = 0; p < kStreams; ++p) {
      r[p] = {streams[p].bytes.data()};
      r[p].refill();
      state[p] = static_cast<uint32_t>(r[p].bits & kMask);
      r[p].drop(kBits);
    }
    for (size_t i = 0; i < kPart; i += 4) {
      for (size_t p = 0; p < kStreams; ++p) r[p].refill();
      for (size_t step = 0; step < 4; ++step) {
        for (size_t p = 0; p < kStreams; ++p) {
          const size_t at = p * kPart + i + step;
          const AnsCode::Entry e = codes[kByContext ? s.contexts[at] : 0].entries[state[p]];
          out[at] = e.symbol;
          state[p] = e.base + static_cast<uint32_t>(r[p].bits & ((1u << e.bits) - 1));
          r[p].drop(e.bits);
        }
      }
    }
  };
  report(s, kByContext ? "tANS, 64 tables" : "tANS", bytes, decode);
  verify(s, out);
}

void rans(const Source& s, Isa isa) {
  constexpr uint32_t kChannels = 16, kChunks = 2048, kTile = kChannels * kChunks;
  const TableSet set{s.table};
  const std::vector<Context> channels(kChannels, 0);
  const TileContexts contexts{channels.data()};
  const CodingTables coding(set);
  const DecodingTables tables(set);
  std::vector<std::vector<std::byte>> tiles;
  size_t bytes = 0;
  for (size_t begin = 0; begin < kSymbols; begin += kTile) {
    const std::vector<int32_t> values(s.symbols.begin() + static_cast<ptrdiff_t>(begin),
                                      s.symbols.begin() + static_cast<ptrdiff_t>(begin + kTile));
    tiles.push_back(encode_tile(coding, contexts, {kChannels, kChunks, 64, 16}, values.data(), kChunks, {}));
    bytes += tiles.back().size();
  }
  std::vector<uint8_t> out(kSymbols);
  const auto decode = [&] {
    std::vector<Escape> escapes[kTilesTogether];
    std::vector<Patch> patches[kTilesTogether];
    for (size_t first = 0; first < tiles.size(); first += kTilesTogether) {
      TileJob jobs[kTilesTogether];
      for (size_t t = 0; t < kTilesTogether; ++t)
        jobs[t] = {tiles[first + t], contexts, &out[(first + t) * kTile], nullptr, &escapes[t], &patches[t]};
      if (!decode_tiles(jobs, tables, {kChannels, kChunks, 64, 16}, isa, kChunks)) fmt::print("  DAMAGED\n");
    }
  };
  report(s, fmt::format("rANS, 32 lanes, {}", name_of(isa)), bytes, decode);
  verify(s, out);
}

void zstd(const Source& s) {
  std::vector<char> compressed(ZSTD_compressBound(kSymbols));
  compressed.resize(ZSTD_compress(compressed.data(), compressed.size(), s.symbols.data(), kSymbols, 1));
  std::vector<uint8_t> out(kSymbols);
  report(s, "zstd -1", compressed.size(),
         [&] { ZSTD_decompress(out.data(), out.size(), compressed.data(), compressed.size()); });
}

}  // namespace
}  // namespace nwc

int main() {
  for (const double sigma : {1.25, 1.92, 3.87}) {
    const nwc::Source s = nwc::source_of(sigma);
    fmt::print("{:.2f} bits\n", s.entropy);
    for (const nwc::Isa isa : nwc::available_isas()) nwc::rans(s, isa);
    nwc::prefix<false>(s, true);
    nwc::prefix<false>(s, false);
    nwc::prefix<true>(s, false);
    nwc::tans<false>(s);
    nwc::tans<true>(s);
    nwc::zstd(s);
  }
}
