#include "libtorch/machine.h"

#include <ATen/Version.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <fstream>
#include <string_view>

namespace nwc {
namespace {

// The model of the CPU, where the BLAS chooses by it and does not say what.
std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

// OpenBLAS has kernels for each class of processors, and a variable to override its choice. MKL, and whatever else
// LibTorch may be linked to, is told apart by the processor.
std::string blas() {
  using CoreName = char* (*)();
  const auto core = reinterpret_cast<CoreName>(::dlsym(RTLD_DEFAULT, "openblas_get_corename"));
  return core != nullptr ? fmt::format("OpenBLAS {}", core()) : processor();
}

// Which of its own kernels LibTorch uses, for example AVX2.
std::string kernels() {
#if TORCH_VERSION_MAJOR >= 2
  return at::get_cpu_capability();
#else
  // Only its configuration says so, in a line "  - CPU capability usage: AVX2". Later versions, asked for that, load
  // the libraries of GPUs as well, which takes 0.2 s.
  constexpr std::string_view kLine = "CPU capability usage: ";
  const std::string config = at::show_config();
  const size_t found = config.find(kLine);
  if (found == std::string::npos) return "unknown kernels";
  const size_t begin = found + kLine.size();
  return config.substr(begin, config.find('\n', begin) - begin);
#endif
}

}  // namespace

std::string machine_class(ModelDevice device) {
  if (!device.is_cpu()) return fmt::format("LibTorch {}, {}", TORCH_VERSION, gpu_name(device.cuda));
  return fmt::format("LibTorch {}, {}, {}", TORCH_VERSION, kernels(), blas());
}

}  // namespace nwc
