// What the SIMD bodies of the rANS decoder share, for the instruction set at hand: states of 32 lanes in two (AVX-512)
// or four (AVX2) vectors, and their words.
//
// A step's refill is what couples the lanes: lane a takes the next word after those that lanes below it took. The words
// are loaded for a whole vector and spread to the lanes that need one.
#if defined(NWC_ENTROPY_RANS_LANES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NWC_ENTROPY_RANS_LANES_INL_H
#undef NWC_ENTROPY_RANS_LANES_INL_H
#else
#define NWC_ENTROPY_RANS_LANES_INL_H
#endif

#include <hwy/highway.h>

#include "base/bytes.h"
#include "entropy/rans_kernel.h"

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
namespace nwc {
namespace HWY_NAMESPACE {

// entropy/rans_decode_trellis.cc
RansOutcome rans_decode_trellis(const RansTile& tile);

namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr uint32_t kLanes = limits::kLanes;
constexpr uint32_t kSlotMask = (1u << limits::kPrecisionBits) - 1;

using D = hn::ScalableTag<uint32_t>;
using V = hn::Vec<D>;

#if HWY_TARGET == HWY_AVX3
constexpr size_t kVectors = kLanes / 16;
using RefillMask = __mmask16;

// Lanes whose state fell below 2^16.
HWY_INLINE RefillMask needs_refill(V x) { return _mm512_cmplt_epu32_mask(x.raw, _mm512_set1_epi32(1 << 16)); }

// The low bytes of the 32 lanes.
HWY_INLINE void store_bytes(const V* entries, uint8_t* out) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_cvtepi32_epi8(entries[0].raw));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 16), _mm512_cvtepi32_epi8(entries[1].raw));
}

HWY_INLINE V refill(V x, RefillMask mask, const uint8_t* words) {
  const __m512i loaded = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(words)));
  const __m512i spread = _mm512_maskz_expand_epi32(mask, loaded);
  return V{_mm512_mask_or_epi32(x.raw, mask, _mm512_slli_epi32(x.raw, 16), spread)};
}
#else
constexpr size_t kVectors = kLanes / 8;
using RefillMask = uint32_t;

// For each of the 256 masks, which loaded word goes to which lane (lanes without a word get any).
struct SpreadTable {
  alignas(64) uint64_t rows[256];
};
constexpr SpreadTable make_spread_table() {
  SpreadTable table{};
  for (uint32_t mask = 0; mask < 256; ++mask) {
    uint64_t row = 0, next = 0;
    for (uint32_t lane = 0; lane < 8; ++lane) {
      if ((mask >> lane & 1) != 0) row |= next++ << (8 * lane);
    }
    table.rows[mask] = row;
  }
  return table;
}
constexpr SpreadTable kSpread = make_spread_table();

HWY_INLINE RefillMask needs_refill(V x) {
  const __m256i empty_high = _mm256_cmpeq_epi32(_mm256_srli_epi32(x.raw, 16), _mm256_setzero_si256());
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(empty_high)));
}

// The low bytes of the 32 lanes. Packing works in 128-bit halves; the last permutation puts the pieces in order.
HWY_INLINE void store_bytes(const V* entries, uint8_t* out) {
  const __m256i low = _mm256_set1_epi32(0xFF);
  const __m256i words01 =
      _mm256_packus_epi32(_mm256_and_si256(entries[0].raw, low), _mm256_and_si256(entries[1].raw, low));
  const __m256i words23 =
      _mm256_packus_epi32(_mm256_and_si256(entries[2].raw, low), _mm256_and_si256(entries[3].raw, low));
  const __m256i bytes = _mm256_packus_epi16(words01, words23);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permutevar8x32_epi32(bytes, order));
}

HWY_INLINE V refill(V x, RefillMask mask, const uint8_t* words) {
  const __m256i loaded = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(words)));
  const __m256i order = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(&kSpread.rows[mask])));
  const __m256i spread = _mm256_permutevar8x32_epi32(loaded, order);
  const __m256i refilled = _mm256_or_si256(_mm256_slli_epi32(x.raw, 16), spread);
  const __m256i empty_high = _mm256_cmpeq_epi32(_mm256_srli_epi32(x.raw, 16), _mm256_setzero_si256());
  return V{_mm256_blendv_epi8(x.raw, refilled, empty_high)};
}
#endif

HWY_INLINE size_t count_of(RefillMask mask) { return static_cast<size_t>(__builtin_popcount(mask)); }

// Where decoding of one tile stands.
struct Cursor {
  uint32_t* states;
  const uint8_t* words;
  const uint8_t* words_end;
  uint8_t* symbols;
  uint16_t* raws;
  bool exhausted;
};

Cursor cursor_of(const RansTile& tile) {
  const uint8_t* words = reinterpret_cast<const uint8_t*>(tile.words);
  return {tile.states, words, words + 2 * tile.word_count, tile.symbols, tile.raws, false};
}

RansOutcome outcome_of(const RansTile& tile, const Cursor& cursor) {
  return {cursor.exhausted, static_cast<size_t>(cursor.words - reinterpret_cast<const uint8_t*>(tile.words)) / 2};
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nwc
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET

#endif  // NWC_ENTROPY_RANS_LANES_INL_H
