// Where models run. Needs no LibTorch headers.
#pragma once

#include <string>
#include <string_view>

#include "libtorch/tensor_fwd.h"
#include "nwcodec/result.h"

namespace nwc {

// Parameters live where they are loaded to (parameters.h); the inputs of a model follow them there, and results stay
// there until somebody wants their numbers. All in float32 as on the CPU: no TF32.
struct ModelDevice {
  int cuda = -1;  // number of a CUDA device; -1: the CPU

  bool is_cpu() const { return cuda < 0; }
  friend bool operator==(const ModelDevice&, const ModelDevice&) = default;
};

// "cpu", "cuda" (the first; of several processes on a machine, each `local_rank` in turn) or "cuda:NUMBER". Errors:
// kInvalidArgument for any other name; kUnsupported for a device that is not there, or that this build's LibTorch
// cannot use. Switches TF32 off for the whole process.
Result<ModelDevice> open_device(std::string_view name, size_t local_rank = 0);

// The tensor on that device: itself if it is there, otherwise a copy.
at::Tensor to_device(const at::Tensor& tensor, ModelDevice device);

}  // namespace nwc
