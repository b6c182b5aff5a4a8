// CUDA's error codes as this library's errors.
#pragma once

#include <cuda_runtime_api.h>

#include <utility>

#include "nwcodec/result.h"

namespace nwc::cuda {

inline Error error_of(int code, const char* doing) {
  const auto error = static_cast<cudaError_t>(code);
  const ErrorCode kind = error == cudaErrorMemoryAllocation ? ErrorCode::kLimit : ErrorCode::kUnsupported;
  Error failure(kind, std::string("CUDA: ") + doing + ": " + cudaGetErrorString(error));
  if (kind == ErrorCode::kLimit) return std::move(failure).remedy("use a device with more memory, or the CPU");
  return failure;
}

inline Status checked(int code, const char* doing) {
  if (code == cudaSuccess) return {};
  return error_of(code, doing);
}

}  // namespace nwc::cuda
