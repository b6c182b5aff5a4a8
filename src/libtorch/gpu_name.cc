#include <cuda_runtime_api.h>

#include "libtorch/machine.h"

namespace nwc {

std::string gpu_name(int device) {
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, device) != cudaSuccess) return "unknown GPU";
  return properties.name;
}

}  // namespace nwc
