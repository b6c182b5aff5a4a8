#include "entropy/symbol_values.h"

#include "base/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "entropy/symbol_values.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#ifndef NWC_SYMBOL_VALUES_SCALAR
#define NWC_SYMBOL_VALUES_SCALAR
namespace nwc {
namespace {

void scalar(const SymbolRow& row, size_t begin, float* values, uint32_t* escapes) {
  for (size_t i = begin; i < row.count; ++i) {
    const uint32_t map = row.maps[row.contexts[i]], shift = map >> 8 & 0xFF;
    const int32_t minimum = static_cast<int32_t>(map) >> 16;
    int32_t value =
        minimum + static_cast<int32_t>((uint32_t{row.symbols[i]} << shift) + (shift > 0 ? row.raws[i] : 0u));
    if (row.odd != 0) value = 2 * value + (row.contexts[i] >= row.odd ? 1 : 0);
    values[i] = static_cast<float>(value);
    if (i % 32 == 0) escapes[i / 32] = 0;
    if (row.symbols[i] == (map & 0xFF)) escapes[i / 32] |= 1u << i % 32;
  }
}

}  // namespace
}  // namespace nwc
#endif  // NWC_SYMBOL_VALUES_SCALAR

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
namespace nwc {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<uint32_t>;
using V = hn::Vec<D>;

// Returns how many were done, a multiple of 32.
size_t values(const SymbolRow& row, float* values, uint32_t* escapes) {
  const D d;
  const hn::RebindToSigned<D> di;
  const hn::RebindToFloat<D> df;
  const hn::Rebind<uint8_t, D> d8;
  const hn::Rebind<uint16_t, D> d16;
  const size_t n = hn::Lanes(d);
  const V byte = hn::Set(d, 0xFF);
  const auto last_even = hn::Set(di, row.odd - 1), one = hn::Set(di, 1);
  size_t first = 0;
  for (; first + 32 <= row.count; first += 32) {
    uint32_t mask = 0;
    for (size_t i = first; i < first + 32; i += n) {
      const V context = hn::PromoteTo(d, hn::LoadU(d16, row.contexts + i));
      const V map = hn::GatherIndex(d, row.maps, hn::BitCast(di, context));
      const V symbol = hn::PromoteTo(d, hn::LoadU(d8, row.symbols + i)), shift = hn::And(hn::ShiftRight<8>(map), byte);
      uint8_t bits[8] = {};
      hn::StoreMaskBits(d, hn::Eq(symbol, hn::And(map, byte)), bits);
      mask |= (uint32_t{bits[0]} | uint32_t{bits[1]} << 8) << (i - first);
      V offset = symbol;
      if (const auto shifted = hn::Ne(shift, hn::Zero(d)); !hn::AllFalse(d, shifted)) {
        const V raw = hn::PromoteTo(d, hn::LoadU(d16, row.raws + i));
        offset = hn::Add(hn::Shl(offset, shift), hn::IfThenElseZero(shifted, raw));
      }
      auto value = hn::Add(hn::ShiftRight<16>(hn::BitCast(di, map)), hn::BitCast(di, offset));
      if (row.odd != 0)
        value = hn::Add(hn::Add(value, value), hn::IfThenElseZero(hn::Gt(hn::BitCast(di, context), last_even), one));
      hn::StoreU(hn::ConvertTo(df, value), df, values + i);
    }
    escapes[first / 32] = mask;
  }
  return first;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nwc
HWY_AFTER_NAMESPACE();
#endif

#if HWY_ONCE
namespace nwc {

void symbol_values(const SymbolRow& row, float* values, uint32_t* escapes, [[maybe_unused]] Isa isa) {
  size_t done = 0;
#if HWY_ARCH_X86_64
  if (isa == Isa::kAvx2) done = N_AVX2::values(row, values, escapes);
  if (isa == Isa::kAvx512) done = N_AVX3::values(row, values, escapes);
#endif
  scalar(row, done, values, escapes);
}

}  // namespace nwc
#endif
