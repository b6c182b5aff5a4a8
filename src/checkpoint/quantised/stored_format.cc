#include "checkpoint/quantised/stored_format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/bytes.h"
#include "base/float8.h"
#include "base/half.h"
#include "base/parallel.h"

namespace nwc {
namespace {

constexpr uint64_t kPieceWeights = uint64_t{1} << 18;  // of a thread at a time

uint64_t divided_up(uint64_t n, uint64_t by) { return n / by + (n % by != 0); }

Error wrong_scales(ErrorCode code, const TensorView& weights, const TensorView& scales, const std::string& why) {
  return Error(code, fmt::format("{} for weights of shape [{}]", why, fmt::join(weights.shape, ", ")))
      .in_tensor(scales.name)
      .remedy("fetch the checkpoint again, or its original in BF16");
}

bool is_scale_dtype(DType dtype) { return is_weight_dtype(dtype) || dtype == DType::kF8E8M0 || dtype == DType::kU8; }

float scale_at(const TensorView& scales, uint64_t index) {
  const std::byte* const bytes = scales.bytes.data();
  switch (scales.dtype) {
    case DType::kF32: return load_le<float>(bytes + 4 * index);
    case DType::kF16: return float_from_half(load_le<uint16_t>(bytes + 2 * index));
    case DType::kBF16: return float_from_bf16(load_le<uint16_t>(bytes + 2 * index));
    default: return float_from_e8m0(static_cast<uint8_t>(bytes[index]));  // U8 holds the same codes
  }
}

// base/half.h saturates, which PyTorch does not.
uint16_t bf16_or_infinity(float value) {
  const uint16_t bits = bf16_from_float(value);
  const bool largest = (bits & 0x7FFF) == 0x7F7F;
  return largest && std::abs(value) >= 0x1.FFp127f ? static_cast<uint16_t>((bits & 0x8000) | 0x7F80) : bits;
}
uint16_t half_or_infinity(float value) {
  const uint16_t bits = half_from_float(value);
  return (bits & 0x7FFF) == 0x7BFF && std::abs(value) >= 65520.0f ? static_cast<uint16_t>((bits & 0x8000) | 0x7C00)
                                                                  : bits;
}

void store(float value, DType dtype, std::byte* out, uint64_t index) {
  switch (dtype) {
    case DType::kF32: return store_le(out + 4 * index, value);
    case DType::kF16: return store_le(out + 2 * index, half_or_infinity(value));
    default: return store_le(out + 2 * index, bf16_or_infinity(value));
  }
}

float rounded(float product, DType dtype) {
  if (dtype == DType::kF16) return float_from_half(half_or_infinity(product));
  if (dtype == DType::kBF16) return float_from_bf16(bf16_or_infinity(product));
  return product;
}

// One row, counted through all matrices, to `out`.
Status decode_float8_row(const TensorView& tensor, uint64_t row, DType dtype, std::byte* out) {
  const StoredFormat& f = *tensor.stored;
  const std::array<float, 256>& values = float8_values(f.dtype);
  const std::byte* const codes = tensor.bytes.data() + row * f.columns;
  const uint64_t matrix = row / f.rows, grid_row = row % f.rows / f.block_rows;
  for (uint64_t block = 0; block < f.grid_columns; ++block) {
    const uint64_t begin = block * f.block_columns, end = std::min(f.columns, begin + f.block_columns);
    float scale = 1;
    if (f.scales != nullptr) {
      const uint64_t grid = f.scales_per_matrix ? matrix * f.grid_rows : 0;
      scale = scale_at(*f.scales, (grid + grid_row) * f.grid_columns + block);
      if (!std::isfinite(scale)) {
        return Error(ErrorCode::kCorrupt, fmt::format("its scales {} have one that is not finite, for row {} and "
                                                      "column {}",
                                                      f.scales->name, row % f.rows, begin))
            .remedy("fetch the checkpoint again, or its original in BF16");
      }
    }
    for (uint64_t k = begin; k < end; ++k) {
      float value = values[static_cast<uint8_t>(codes[k])];
      if (f.scales != nullptr) value *= scale;
      if (f.rounds_products) value = rounded(value, f.scales->dtype);
      store(value, dtype, out, k);
    }
  }
  return {};
}

Status decode_double_row(const TensorView& tensor, uint64_t row, DType dtype, std::byte* out) {
  const uint64_t columns = tensor.stored->columns;
  for (uint64_t k = 0; k < columns; ++k) {
    const double wide = load_le<double>(tensor.bytes.data() + 8 * (row * columns + k));
    const float value = static_cast<float>(wide);
    if (std::isinf(value) && std::isfinite(wide)) {
      return Error(ErrorCode::kUnsupported, fmt::format("holds {} in F64, beyond the range of F32", wide));
    }
    store(value, dtype, out, k);
  }
  return {};
}

float number_at(const std::byte* bytes, DType dtype, uint64_t index) {
  if (dtype == DType::kF32) return load_le<float>(bytes + 4 * index);
  const uint16_t bits = load_le<uint16_t>(bytes + 2 * index);
  return dtype == DType::kF16 ? float_from_half(bits) : float_from_bf16(bits);
}

// Minuend less subtrahend, as F32.
Status take_away(const StoredFormat& difference, std::span<std::byte> out, int threads) {
  NWC_ASSIGN_OR_RETURN(const TensorValues from, values_of(*difference.minuend, threads));
  std::vector<float> taken(out.size() / sizeof(float));
  NWC_RETURN_IF_ERROR(difference.subtrahend->read(taken, threads));
  for (uint64_t i = 0; i < taken.size(); ++i)
    store_le(out.data() + sizeof(float) * i, number_at(from.bytes.data(), difference.minuend->dtype, i) - taken[i]);
  return {};
}

}  // namespace

Result<StoredFormat> float8_format(const TensorView& weights, const TensorView* scales, const BlockSize* blocks) {
  StoredFormat format{.dtype = weights.dtype, .scales = scales};
  const size_t dims = weights.shape.size();
  if (dims >= 1) format.columns = weights.shape[dims - 1];
  if (dims >= 2) format.rows = weights.shape[dims - 2];
  format.block_rows = std::max<uint64_t>(1, format.rows);
  format.block_columns = std::max<uint64_t>(1, format.columns);
  if (scales == nullptr) return format;
  if (!is_scale_dtype(scales->dtype)) {
    return wrong_scales(ErrorCode::kUnsupported, weights, *scales,
                        fmt::format("holds scales in {}", name_of(scales->dtype)));
  }
  const std::vector<uint64_t>& shape = scales->shape;
  const auto refuse = [&] {
    return wrong_scales(ErrorCode::kMismatch, weights, *scales,
                        fmt::format("holds scales of shape [{}]", fmt::join(shape, ", ")));
  };
  // A scale for all weights, one for each row or matrix, or a grid.
  uint64_t matrices = 1;  // does not overflow: the weights have their bytes
  for (size_t i = 0; i + 2 < dims; ++i) matrices *= weights.shape[i];
  const bool one = scales->bytes.size() * 8 == bits_of(scales->dtype);
  const bool grid = shape.size() >= 2 && shape.size() == dims;
  if (grid) {
    uint64_t grids = 1;
    for (size_t i = 0; i + 2 < dims; ++i) grids *= shape[i];
    if (scales->bytes.empty() || (grids != 1 && grids != matrices)) return refuse();
    format.scales_per_matrix = grids > 1;
    format.grid_rows = shape[dims - 2];
    format.grid_columns = shape[dims - 1];
  } else if (shape.size() == 1 && dims >= 3 && shape[0] == matrices) {
    format.scales_per_matrix = true;
  } else if (shape.size() == 1 && dims == 2 && shape[0] == format.rows) {
    format.grid_rows = format.rows;
  } else if (!one) {
    return refuse();
  }
  const bool in_blocks = blocks != nullptr && grid && format.grid_rows == divided_up(format.rows, blocks->rows) &&
                         format.grid_columns == divided_up(format.columns, blocks->columns);
  if (in_blocks) {
    format.block_rows = blocks->rows;
    format.block_columns = blocks->columns;
    return format;
  }
  if (format.rows % format.grid_rows != 0 || format.columns % format.grid_columns != 0) return refuse();
  format.block_rows = std::max<uint64_t>(1, format.rows / format.grid_rows);
  format.block_columns = std::max<uint64_t>(1, format.columns / format.grid_columns);
  return format;
}

Status decode_rows(const TensorView& tensor, uint64_t first, uint64_t count, DType dtype, std::span<std::byte> out,
                   int threads) {
  const StoredFormat& format = *tensor.stored;
  if (count == 0 || format.columns == 0) return {};
  const uint64_t row_bytes = format.columns * bits_of(dtype) / 8;
  const uint64_t together = std::max<uint64_t>(1, kPieceWeights / format.columns);
  Status status = parallel_for(divided_up(count, together), threads, [&](size_t piece, int) -> Status {
    const uint64_t begin = piece * together, end = std::min(count, begin + together);
    for (uint64_t row = begin; row < end; ++row) {
      std::byte* const to = out.data() + row * row_bytes;
      NWC_RETURN_IF_ERROR(format.dtype == DType::kF64 ? decode_double_row(tensor, first + row, dtype, to)
                                                      : decode_float8_row(tensor, first + row, dtype, to));
    }
    return {};
  });
  if (!status) return std::move(status).error().in_tensor(tensor.name);
  return {};
}

Result<TensorValues> values_of(const TensorView& tensor, int threads) {
  if (tensor.stored == nullptr) return TensorValues{tensor.bytes, nullptr};
  const uint64_t elements = tensor.bytes.size() * 8 / bits_of(tensor.stored->dtype);
  const auto decoded = std::make_shared<std::vector<std::byte>>(elements * bits_of(tensor.dtype) / 8);
  if (tensor.stored->subtrahend != nullptr) {
    NWC_RETURN_IF_ERROR(take_away(*tensor.stored, *decoded, threads));
    return TensorValues{*decoded, decoded};
  }
  const uint64_t rows = tensor.stored->columns == 0 ? 0 : elements / tensor.stored->columns;
  NWC_RETURN_IF_ERROR(decode_rows(tensor, 0, rows, tensor.dtype, *decoded, threads));
  return TensorValues{*decoded, decoded};
}

}  // namespace nwc
