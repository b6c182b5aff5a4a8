// Stands in for gpu_name.cc in builds without CUDA, which have no device to ask.
#include "libtorch/machine.h"

namespace nwc {

std::string gpu_name(int) { return "unknown GPU"; }

}  // namespace nwc
