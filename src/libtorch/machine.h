// What the last bits of LibTorch's results depend on beside their inputs.
#pragma once

#include <string>

#include "libtorch/device.h"

namespace nwc {

// The class of machines that compute alike: LibTorch's version, and for the CPU its kernels and those that the BLAS has
// chosen, for a GPU its model. Runs whose floating-point results must be the same are told apart by it. For example
// "LibTorch 2.6.0, AVX2, OpenBLAS Haswell" or "LibTorch 2.11.0, NVIDIA H100 80GB HBM3".
std::string machine_class(ModelDevice device);

// The model of a CUDA device. Private to src/libtorch.
std::string gpu_name(int device);

}  // namespace nwc
