// The residual MLP of docs/format.md, section 3, on many chunks at once: the body of g_s, and of g_a.
//
// One signature, several bodies. All of them perform the same operations in the same order on every chunk (each chunk
// has a SIMD lane of its own, nothing is summed across lanes), so the results are bit-identical. Kernels neither
// allocate nor validate; transform/transform.h does.
#pragma once

#include <cstddef>
#include <vector>

#include "nwcodec/isa.h"

namespace nwc {

// Chunks that a kernel call works on, side by side; buffers hold that many in a row.
inline constexpr size_t kMlpBlock = 64;
// Outputs that a linear layer computes together; rows of packed weights are padded to it.
inline constexpr size_t kMlpPanel = 8;

// y = A x + b. `packed` holds panels of kMlpPanel outputs: for each panel, for each input k, the panel's A[.][k];
// outputs behind the last are zero. `bias` is padded likewise.
struct LinearView {
  size_t inputs, outputs;
  const float* packed;
  const float* bias;
};

struct MlpBlockView {
  LinearView linear;
  const float* gain;    // norm.weight, [width]
  const float* offset;  // norm.bias
};

// Pointers into a Transform. depth == 0: y = out(x * embedding(level)); otherwise in, blocks, out.
struct MlpView {
  size_t inputs, outputs, width, depth;
  LinearView in;
  const MlpBlockView* blocks;
  const float* embeddings;  // [embedding_sets][levels][width]
  size_t embedding_sets;    // depth, or 1 if the blocks share it
  size_t levels;
  LinearView out;

  const float* embedding(size_t block, size_t level) const {
    return embeddings + ((embedding_sets == 1 ? 0 : block) * levels + level) * width;
  }
};

// Floats of scratch that a kernel needs.
inline size_t mlp_scratch_floats(const MlpView& mlp) {
  const size_t padded = (mlp.width + kMlpPanel - 1) / kMlpPanel * kMlpPanel;
  return 2 * padded * kMlpBlock;
}
// Rows that `y` must have room for: outputs padded to whole panels.
inline size_t mlp_output_rows(const MlpView& mlp) { return (mlp.outputs + kMlpPanel - 1) / kMlpPanel * kMlpPanel; }

// x: [inputs][stride], y: [mlp_output_rows][stride], columns are chunks, of which kMlpBlock are worked on; all pointers
// aligned to 64 bytes, stride a multiple of 16. x and y do not overlap.
using MlpKernel = void(const MlpView& mlp, size_t level, const float* x, float* y, size_t stride, float* scratch);
MlpKernel residual_mlp_scalar;

// The body for `isa`. Precondition: `isa` is one of available_isas().
MlpKernel* residual_mlp_kernel(Isa isa);

}  // namespace nwc
