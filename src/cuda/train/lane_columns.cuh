// A row of activations across the lanes of a warp.
#pragma once

#include "cuda/train/common.cuh"

namespace nwc::fused {

// A lane's share of a row: kRuns runs of kVector neighbouring columns, a warp's runs side by side. With kVector 1 the
// width need not fill them.
template <int kVector, int kRuns>
struct LaneColumns {
  static constexpr int kCount = kVector * kRuns;
  static __device__ int column(int run) { return (run * kWarp + static_cast<int>(threadIdx.x) % kWarp) * kVector; }

  static __device__ void load(const float* row, int width, float (&out)[kCount]) {
#pragma unroll
    for (int r = 0; r < kRuns; ++r) {
      const int c = column(r);
      if constexpr (kVector == 8) {
        const float4 a = *reinterpret_cast<const float4*>(row + c), b = *reinterpret_cast<const float4*>(row + c + 4);
        out[r * 8 + 0] = a.x, out[r * 8 + 1] = a.y, out[r * 8 + 2] = a.z, out[r * 8 + 3] = a.w;
        out[r * 8 + 4] = b.x, out[r * 8 + 5] = b.y, out[r * 8 + 6] = b.z, out[r * 8 + 7] = b.w;
      } else {
        out[r] = c < width ? row[c] : 0.0f;
      }
    }
  }

  static __device__ void load(const bf16* row, int width, float (&out)[kCount]) {
#pragma unroll
    for (int r = 0; r < kRuns; ++r) {
      const int c = column(r);
      if constexpr (kVector == 8) {
        const uint4 words = *reinterpret_cast<const uint4*>(row + c);
        const unsigned w[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          out[r * 8 + 2 * k] = __uint_as_float(w[k] << 16);
          out[r * 8 + 2 * k + 1] = __uint_as_float(w[k] & 0xFFFF0000u);
        }
      } else {
        out[r] = c < width ? to_float(row[c]) : 0.0f;
      }
    }
  }

  static __device__ void store(float* row, int width, const float (&in)[kCount]) {
#pragma unroll
    for (int r = 0; r < kRuns; ++r) {
      const int c = column(r);
      if constexpr (kVector == 8) {
        *reinterpret_cast<float4*>(row + c) = make_float4(in[r * 8], in[r * 8 + 1], in[r * 8 + 2], in[r * 8 + 3]);
        *reinterpret_cast<float4*>(row + c + 4) =
            make_float4(in[r * 8 + 4], in[r * 8 + 5], in[r * 8 + 6], in[r * 8 + 7]);
      } else if (c < width) {
        row[c] = in[r];
      }
    }
  }

  static __device__ void store(bf16* row, int width, const float (&in)[kCount]) {
#pragma unroll
    for (int r = 0; r < kRuns; ++r) {
      const int c = column(r);
      if constexpr (kVector == 8) {
        unsigned w[4];
#pragma unroll
        for (int k = 0; k < 4; ++k)
          w[k] = to_low(in[r * 8 + 2 * k]) | static_cast<unsigned>(to_low(in[r * 8 + 2 * k + 1])) << 16;
        *reinterpret_cast<uint4*>(row + c) = make_uint4(w[0], w[1], w[2], w[3]);
      } else if (c < width) {
        row[c] = to_low(in[r]);
      }
    }
  }

  // Columns outside the width hold zero.
  static __device__ bool inside(int i, int width) { return kVector == 8 || column(i / kVector) < width; }
};

}  // namespace nwc::fused
