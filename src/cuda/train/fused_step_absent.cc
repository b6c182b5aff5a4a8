// In place of fused_step.cc in programs built without CUDA.
#include "learn/training_step.h"

namespace nwc {

Result<std::unique_ptr<TrainingStep>> make_fused_step(const TrainOptions&, Networks&, const torch::Tensor&) {
  return Error(ErrorCode::kUnsupported, "this program was built without CUDA")
      .remedy("train on the CPU, or build with the preset cuda");
}

}  // namespace nwc
