// A transform network with its weights: g_s in the decoder, g_a in the encoder (paper, Section 3.2, Figure 2).
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/aligned.h"
#include "nwcodec/isa.h"
#include "nwcodec/result.h"
#include "transform/residual_mlp.h"

namespace nwc {

// Weights as a codec file has them, row-major, in binary32 (docs/format.md, section 3).
struct TransformWeights {
  size_t inputs = 0, outputs = 0, width = 0, depth = 0, levels = 0;
  std::vector<float> in_weight, in_bias;  // [width, inputs], [width]; empty if depth == 0
  struct Block {
    std::vector<float> weight, bias, gain, offset;  // [width, width], [width] x 3
  };
  std::vector<Block> blocks;     // depth of them
  std::vector<float> embedding;  // [sets, levels, width], sets = depth or 1; width = inputs if depth == 0
  size_t embedding_sets = 1;
  std::vector<float> out_weight, out_bias;  // [outputs, width], [outputs]

  // Multiplications and additions for one chunk.
  uint64_t flops_per_chunk() const;
};

// Gives back what it is given, at every level.
TransformWeights identity_transform(size_t levels, size_t components);
bool is_identity(const TransformWeights& weights);

// Reads the tensors `<prefix>.in.weight` and so on through `load`, which returns a tensor's values and sets its shape,
// or an error that names it; `has` tells whether a tensor exists. Shapes decide inputs, outputs, width and depth.
struct TensorLoader {
  std::function<bool(const std::string& name)> has;
  std::function<Result<std::vector<float>>(const std::string& name, std::vector<uint64_t>& shape)> load;
};
Result<TransformWeights> load_transform(const std::string& prefix, const TensorLoader& loader);
// The inverse of load_transform(): calls `store` for every tensor, in the same order.
void store_transform(const std::string& prefix, const TransformWeights& weights,
                     const std::function<void(const std::string& name, std::vector<uint64_t> shape,
                                              std::span<const float> values)>& store);

// Packed for the kernels. Immutable; threads share it.
class Transform {
 public:
  explicit Transform(const TransformWeights& weights);
  Transform(Transform&&) = default;
  Transform& operator=(Transform&&) = default;

  size_t inputs() const { return view_.inputs; }
  size_t outputs() const { return view_.outputs; }
  size_t levels() const { return view_.levels; }

  // Chunks in a row of x and y: count rounded up to this.
  static size_t padded(size_t chunks) { return (chunks + kMlpBlock - 1) / kMlpBlock * kMlpBlock; }
  // Rows of y; the ones behind outputs() are scratch.
  size_t output_rows() const { return mlp_output_rows(view_); }

  // y[j][i] = component j of the transform of chunk i, for i < chunks. x: [inputs()][stride], y:
  // [output_rows()][stride], both 64-byte aligned, stride a multiple of kMlpBlock and >= padded(chunks); columns of x
  // between chunks and padded(chunks) must be finite. `scratch` grows as needed; one per thread.
  void apply(size_t level, size_t chunks, const float* x, float* y, size_t stride, Isa isa,
             AlignedVector<float>& scratch) const;

 private:
  LinearView pack(const std::vector<float>& weight, const std::vector<float>& bias, size_t inputs, size_t outputs);
  const float* keep(const std::vector<float>& values, size_t padded_size);
  std::vector<AlignedVector<float>> storage_;
  std::vector<MlpBlockView> blocks_;
  MlpView view_{};
};

}  // namespace nwc
