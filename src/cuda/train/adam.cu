// The optimiser.
#include "cuda/train/common.cuh"

namespace nwc::fused {
namespace {

__global__ void adam_kernel(float* parameters, const float* gradients, float* first, float* second, GroupEnds groups,
                            const StepState* state) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= groups.ends[kGroups - 1]) return;
  int group = 0;
  while (i >= groups.ends[group]) ++group;
  const float g = gradients[i];
  const float m = first[i] = 0.9f * first[i] + 0.1f * g;
  const float v = second[i] = 0.999f * second[i] + 0.001f * g * g;
  parameters[i] -= state->rates[group] / state->correction1 * m / (sqrtf(v) / sqrtf(state->correction2) + 1e-8f);
}

}  // namespace

void adam(float* parameters, const float* gradients, float* first, float* second, GroupEnds groups,
          const StepState* state, cudaStream_t stream) {
  adam_kernel<<<blocks_for(groups.ends[kGroups - 1]), kThreads, 0, stream>>>(parameters, gradients, first, second,
                                                                             groups, state);
}

}  // namespace nwc::fused
