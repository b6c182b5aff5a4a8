#include "decode/narrowing.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/bytes.h"
#include "base/half.h"
#include "base/parallel.h"

namespace nwc {
namespace {

constexpr size_t kTogether = size_t{1} << 16;
// Halfway between the largest finite number and the power of two behind it: from here on, rounding would overflow.
constexpr float kHalfOverflow = 65520, kBf16Overflow = 0x1.FFp127f;

struct ToHalf {
  static constexpr float kOverflow = kHalfOverflow;
  static uint16_t convert(float v) { return half_from_float(v); }
};
struct ToBf16 {
  static constexpr float kOverflow = kBf16Overflow;
  static uint16_t convert(float v) { return bf16_from_float(v); }
};

template <class To, class Load>
NarrowingLoss narrow_some(Load&& load, size_t begin, size_t end, std::byte* out) {
  NarrowingLoss loss;
  for (size_t i = begin; i < end; ++i) {
    const float v = load(i);
    const uint16_t narrowed = To::convert(v);
    loss.saturated += std::isfinite(v) && std::abs(v) >= To::kOverflow ? 1 : 0;
    loss.flushed += v != 0 && (narrowed & 0x7FFFu) == 0 ? 1 : 0;
    store_le(out + 2 * i, narrowed);
  }
  return loss;
}

template <class To>
NarrowingLoss narrow_some(DType from, const std::byte* values, size_t begin, size_t end, std::byte* out) {
  if (from == DType::kF32)
    return narrow_some<To>([&](size_t i) { return load_le<float>(values + 4 * i); }, begin, end, out);
  return narrow_some<To>([&](size_t i) { return float_from_bf16(load_le<uint16_t>(values + 2 * i)); }, begin, end, out);
}

}  // namespace

bool has_wider_range(DType from, DType to) { return from != to && to != DType::kF32 && from != DType::kF16; }

Result<NarrowingLoss> narrow(DType from, std::span<const std::byte> values, DType to, std::span<std::byte> out,
                             int threads) {
  const size_t count = out.size() / 2, pieces = (count + kTogether - 1) / kTogether;
  std::vector<NarrowingLoss> losses(pieces);
  NWC_RETURN_IF_ERROR(parallel_for(pieces, threads, [&](size_t p, int) -> Status {
    const size_t begin = p * kTogether, end = std::min(count, begin + kTogether);
    losses[p] = to == DType::kF16 ? narrow_some<ToHalf>(from, values.data(), begin, end, out.data())
                                  : narrow_some<ToBf16>(from, values.data(), begin, end, out.data());
    return {};
  }));
  NarrowingLoss all;
  for (const NarrowingLoss& loss : losses) all += loss;
  return all;
}

}  // namespace nwc
