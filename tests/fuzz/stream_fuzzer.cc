// Any bytes as the stream, scales and levels of a tensor: refused with a message, or finite weights come out.
//
// The first bytes say how to cut the input up. Checksums would stop nearly every mutation at the door, so there is a
// mode that puts sound ones over the mutated bytes, and one that also gives the header values that get past its bounds.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "decode/tensor_decoder.h"
#include "fuzz/stream_repair.h"
#include "support/tiny_codec.h"

namespace {

constexpr uint64_t kMaxWeights = 1 << 17;  // decoded per input
constexpr uint64_t kCodecId = 77;

void require(bool promise) {
  if (!promise) std::abort();
}

const nwc::Codec& codec_of(unsigned mode) {
  static const nwc::Codec linear(nwc::testing::linear_codec().decoder, kCodecId);
  static const nwc::Codec residual(nwc::testing::residual_codec().decoder, kCodecId);
  static const nwc::Codec trellis(nwc::testing::tiny_trellis_codec(), kCodecId);
  return (mode & 8) != 0 ? trellis : mode % 2 == 0 ? linear : residual;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // mode, then the sizes of scales and levels; the rest is the stream.
  if (size < 5) return 0;
  const unsigned mode = data[0];
  const std::span<const std::byte> rest(reinterpret_cast<const std::byte*>(data) + 5, size - 5);
  const size_t scale_bytes = std::min<size_t>(data[1] | data[2] << 8, rest.size());
  const size_t level_bytes = std::min<size_t>(data[3] | data[4] << 8, rest.size() - scale_bytes);
  // Copies of exactly their size, so that the sanitizer sees a read past the end.
  const std::vector<std::byte> scales(rest.begin(), rest.begin() + static_cast<ptrdiff_t>(scale_bytes));
  const std::vector<std::byte> levels(rest.begin() + static_cast<ptrdiff_t>(scale_bytes),
                                      rest.begin() + static_cast<ptrdiff_t>(scale_bytes + level_bytes));
  std::vector<std::byte> stream(rest.begin() + static_cast<ptrdiff_t>(scale_bytes + level_bytes), rest.end());
  if ((mode & 2) != 0) nwc::testing::repair_stream(stream, "w", kCodecId, scales, levels, (mode & 4) != 0);

  const nwc::Codec& codec = codec_of(mode);
  const nwc::Result<nwc::TensorDecoder> decoder = nwc::TensorDecoder::open("w", stream, scales, levels, codec);
  if (!decoder) {
    require(!decoder.error().message().empty());
    return 0;
  }
  const nwc::StreamHeader& h = decoder->header();
  (void)decoder->columns_per_level();
  (void)decoder->verify().ok();
  if (h.elements() > kMaxWeights) return 0;
  std::vector<std::byte> whole(h.elements() * 4);
  const nwc::Status status = decoder->decode(nwc::DType::kF32, whole, 1);
  if (status) {
    for (const float v : nwc::testing::floats_of(nwc::DType::kF32, whole)) require(std::isfinite(v));
  } else {
    require(status.error().offset().value_or(0) <= stream.size());
  }
  if (h.elements() == 0) return 0;
  // A rectangle somewhere is what the whole has there, if the whole decodes.
  const nwc::Slice slice{mode % h.matrices, h.rows / 3, h.rows - h.rows / 4, h.columns / 4, h.columns};
  const uint64_t height = slice.row_end - slice.row_begin, width = slice.column_end - slice.column_begin;
  std::vector<std::byte> part(height * width * 4);
  const nwc::Status part_status = decoder->decode_slice(slice, nwc::DType::kF32, part, 1);
  if (!status) return 0;
  require(part_status.ok());
  for (uint64_t r = 0; r < height; ++r) {
    for (uint64_t c = 0; c < width; ++c) {
      const uint64_t row = slice.row_begin + r, column = slice.column_begin + c,
                     base = slice.matrix * h.rows * h.columns;
      const uint64_t at = h.transposed ? column * h.rows + row : row * h.columns + column;
      const uint64_t in_part = h.transposed ? c * height + r : r * width + c;
      require(std::memcmp(&part[4 * in_part], &whole[4 * (base + at)], 4) == 0);
    }
  }
  return 0;
}
