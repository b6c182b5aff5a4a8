#include "decode/tile_synthesis.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/half.h"
#include "decode/bf16_kernel.h"

namespace nwc {
namespace {

// Chunks that go through the network at a time: bounds the buffers whatever tile size a stream declares.
constexpr uint32_t kSynthesisChunks = 2048;

struct ToF32 {
  using Type = float;
  static float convert(float v) { return saturate(v); }
};
struct ToF16 {
  using Type = uint16_t;
  static uint16_t convert(float v) { return half_from_float(saturate(v)); }
};
struct ToBf16 {
  using Type = uint16_t;
  static uint16_t convert(float v) { return bf16_from_float(saturate(v)); }
};

// A channel's latents where all chunks share a table.
void fill_row(const SymbolMap& map, float center, const uint8_t* symbols, const uint16_t* raws, uint32_t count,
              float* row) {
  const int32_t minimum = map.minimum;
  const uint32_t shift = map.shift;
  if (shift == 0) {
    for (uint32_t i = 0; i < count; ++i) row[i] = static_cast<float>(minimum + int32_t{symbols[i]}) + center;
  } else {
    for (uint32_t i = 0; i < count; ++i) {
      row[i] =
          static_cast<float>(minimum + static_cast<int32_t>(uint32_t{symbols[i]} << shift) + int32_t{raws[i]}) + center;
    }
  }
}

// z[c][i] for chunks [first, first + count) of the tile.
void fill_latents(const Codec& codec, const DecodingTables& tables, unsigned level, const DecodedTile& tile,
                  uint32_t first, uint32_t count, float* z, size_t z_stride) {
  const unsigned latents = codec.parts().latents();
  for (unsigned c = 0; c < latents; ++c) {
    const float center = codec.parts().tables.centers[level * latents + c];
    const uint8_t* symbols = tile.symbols + c * tile.stride + first;
    const uint16_t* raws = tile.raws + c * tile.stride + first;
    float* row = z + c * z_stride;
    if (tile.contexts.shared()) {
      fill_row(tables.symbols(tile.contexts.at(c, 0)), center, symbols, raws, count, row);
    } else {
      std::copy_n(tile.values + c * tile.stride + first, count, row);
      if (center != 0) std::for_each(row, row + count, [&](float& latent) { latent += center; });
    }
    std::fill(row + count, row + Transform::padded(count), 0.0f);
  }
  if (!tile.contexts.shared()) return;  // where values have the escapes already
  for (const Escape& escape : tile.escapes) {
    if (escape.chunk < first || escape.chunk >= first + count) continue;
    const float center = codec.parts().tables.centers[level * latents + escape.channel];
    z[escape.channel * z_stride + escape.chunk - first] = static_cast<float>(escape.value) + center;
  }
}

bool all_finite(const float* y, uint32_t count) {
  bool finite = true;
  for (uint32_t i = 0; i < count; ++i) finite &= std::abs(y[i]) <= std::numeric_limits<float>::max();
  return finite;
}

// Writes chunks [first_chunk, first_chunk + count) of the group, whose component j of chunk i is y[j * stride + i].
template <class To>
void store_weights(const LevelGroup& group, uint64_t first_chunk, uint32_t count, unsigned chunk_length, const float* y,
                   size_t stride, const WeightTarget& target, Isa isa) {
  const Slice& slice = target.slice;
  const uint64_t per_stripe = group.columns.size();
  const uint64_t out_rows = slice.row_end - slice.row_begin, out_columns = slice.column_end - slice.column_begin;
  // Element (row, column) of the slice is at row * row_step + column * column_step.
  const uint64_t row_step = target.transposed ? 1 : out_columns, column_step = target.transposed ? out_rows : 1;
  typename To::Type* const out = reinterpret_cast<typename To::Type*>(target.out);
  for (uint32_t done = 0; done < count;) {
    const uint64_t stripe = (first_chunk + done) / per_stripe, p = (first_chunk + done) % per_stripe;
    const uint32_t here = static_cast<uint32_t>(std::min<uint64_t>(count - done, per_stripe - p));
    // Columns ascend within a stripe, so those of the slice are neighbours in the list.
    const uint32_t* const columns = group.columns.data() + p;
    const uint32_t* const from = std::lower_bound(columns, columns + here, slice.column_begin);
    const uint32_t* const to = std::lower_bound(from, columns + here, slice.column_end);
    const bool contiguous = from != to && static_cast<uint64_t>(to[-1] - *from) == static_cast<uint64_t>(to - from) - 1;
    for (unsigned j = 0; j < chunk_length; ++j) {
      const uint64_t row = stripe * chunk_length + j;
      if (row < slice.row_begin || row >= slice.row_end || row >= target.rows || from == to) continue;
      const float* const values = y + j * stride + done + (from - columns);
      typename To::Type* const line = out + (row - slice.row_begin) * row_step;
      const float factor = target.row_factors != nullptr ? target.row_factors[row] : 1.0f;  // times 1 changes no bit
      if (contiguous && column_step == 1) {
        typename To::Type* const at = line + (*from - slice.column_begin);
        const float* const scales = target.scales + *from;
        if constexpr (std::is_same_v<To, ToBf16>) {
          store_bf16(values, scales, factor, at, static_cast<size_t>(to - from), isa);
        } else {
          for (ptrdiff_t i = 0; i < to - from; ++i) at[i] = To::convert(values[i] * scales[i] * factor);
        }
      } else {
        for (ptrdiff_t i = 0; i < to - from; ++i) {
          line[(from[i] - slice.column_begin) * column_step] = To::convert(values[i] * target.scales[from[i]] * factor);
        }
      }
    }
    done += here;
  }
}

}  // namespace

Status synthesise_tile(const Codec& codec, const DecodingTables& tables, const LevelGroup& group, const TileSpan& span,
                       const DecodedTile& tile, const WeightTarget& target, Isa isa, SynthesisScratch& scratch) {
  const unsigned chunk_length = codec.parts().chunk_length();
  // Without a transform, the numbers are the chunks.
  const bool as_they_are = codec.plain() && !tile.contexts.shared();
  const size_t stride = as_they_are ? tile.stride : Transform::padded(std::min(span.chunks, kSynthesisChunks));
  if (!as_they_are) {
    scratch.latents.resize(codec.parts().latents() * stride);
    scratch.chunks.resize(codec.synthesis().output_rows() * stride);
  }
  auto patch = tile.patches.begin();
  for (uint32_t first = 0; first < span.chunks; first += kSynthesisChunks) {
    const uint32_t count = std::min(kSynthesisChunks, span.chunks - first);
    float* const y = as_they_are ? tile.values + first : scratch.chunks.data();
    if (!as_they_are) {
      fill_latents(codec, tables, group.level, tile, first, count, scratch.latents.data(), stride);
      codec.synthesis().apply(group.level, count, scratch.latents.data(), y, stride, isa, scratch.network);
    }
    for (; patch != tile.patches.end() && patch->position < (first + count) * chunk_length; ++patch) {
      y[patch->position % chunk_length * stride + (patch->position / chunk_length - first)] = patch->value;
    }
    for (unsigned j = 0; j < chunk_length; ++j) {
      if (!all_finite(y + j * stride, count))
        return Error(ErrorCode::kCorrupt, "a tile decodes to weights that are not finite");
    }
    switch (target.dtype) {
      case DType::kF32:
        store_weights<ToF32>(group, span.first_chunk + first, count, chunk_length, y, stride, target, isa);
        break;
      case DType::kF16:
        store_weights<ToF16>(group, span.first_chunk + first, count, chunk_length, y, stride, target, isa);
        break;
      default:
        store_weights<ToBf16>(group, span.first_chunk + first, count, chunk_length, y, stride, target, isa);
        break;
    }
  }
  return {};
}

}  // namespace nwc
