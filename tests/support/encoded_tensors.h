// Single tensors through encoder and decoder in tests, with codecs made by hand.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "decode/tensor_decoder.h"
#include "support/tiny_codec.h"
#include "tensor/tensor_encoder.h"

namespace nwc::testing {

inline constexpr uint64_t kCodecId = 77;

inline const Encoder& linear_encoder() {
  static const Encoder encoder(testing::linear_codec(), kCodecId);
  return encoder;
}
inline const Encoder& residual_encoder() {
  static const Encoder encoder(testing::residual_codec(), kCodecId);
  return encoder;
}

inline EncodedTensor encode(const OwnedMatrix& m, const Encoder& encoder, std::span<const uint8_t> levels = {},
                            const EncodeOptions& options = {}, int threads = 1) {
  Result<EncodedTensor> encoded =
      encode_tensor(m.matrix(), TensorGuide{.levels = {levels.begin(), levels.end()}}, encoder, options, threads);
  EXPECT_TRUE(encoded.ok()) << encoded.error().to_string();
  return encoded ? *std::move(encoded) : EncodedTensor{};
}

inline TensorDecoder open(const OwnedMatrix& m, const EncodedTensor& encoded, const Encoder& encoder) {
  Result<TensorDecoder> decoder =
      TensorDecoder::open(m.matrix().name, encoded.stream, encoded.scales, encoded.levels, encoder.codec());
  if (!decoder) throw std::runtime_error(decoder.error().to_string());
  return *std::move(decoder);
}

inline std::vector<std::byte> decode(const TensorDecoder& decoder, DType dtype, int threads = 1) {
  std::vector<std::byte> out(decoder.header().elements() * bits_of(dtype) / 8, std::byte{0xEE});
  const Status status = decoder.decode(dtype, out, threads);
  EXPECT_TRUE(status.ok()) << status.error().to_string();
  return out;
}

inline std::vector<float> decoded_floats(const OwnedMatrix& m, const EncodedTensor& encoded, const Encoder& encoder) {
  return floats_of(DType::kF32, decode(open(m, encoded, encoder), DType::kF32));
}

// What the linear codec must give for one weight: a uniform quantiser on the normalised weight. `scale` is the
// column's.
inline double quantised(double weight, double scale, double step) {
  return scale == 0 ? 0.0 : std::nearbyint(weight / scale / step) * step * scale;
}

struct Shape {
  std::vector<uint64_t> shape;
  bool transposed;
};

inline std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (const bool transposed : {false, true}) {
    for (const std::vector<uint64_t>& shape : {std::vector<uint64_t>{1, 40},
                                               {40, 1},
                                               {1, 1},
                                               {16, 1},
                                               {1, 16},
                                               {16, 16},
                                               {17, 31},
                                               {50, 33},
                                               {130, 70},
                                               {3, 20, 18},
                                               {1, 16, 16},
                                               {5, 1, 3}}) {
      all.push_back({shape, transposed});
    }
  }
  return all;
}

inline size_t product(const std::vector<uint64_t>& shape) {
  size_t n = 1;
  for (const uint64_t d : shape) n *= d;
  return n;
}

// Levels that differ from column to column, all the codec has.
inline std::vector<uint8_t> mixed_levels(const WeightMatrix& m, unsigned levels) {
  std::vector<uint8_t> values(m.matrices * m.columns);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint8_t>((i * 7 + i / 3) % levels);
  return values;
}

}  // namespace nwc::testing
