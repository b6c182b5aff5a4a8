// Memory that frees itself: on a device, or page-locked on the host.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <utility>

#include "cuda/support/errors.h"

namespace nwc::cuda {

template <cudaError_t (*kAllocate)(void**, size_t), cudaError_t (*kFree)(void*)>
class Memory {
 public:
  Memory() = default;
  static Result<Memory> of(size_t bytes) {
    Memory memory;
    if (const int error = kAllocate(&memory.data_, bytes > 0 ? bytes : 1)) return error_of(error, "allocating memory");
    memory.size_ = bytes;
    return memory;
  }
  Memory(Memory&& other) noexcept { *this = std::move(other); }
  Memory& operator=(Memory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Memory() {
    if (data_ != nullptr) kFree(data_);
  }
  void* data() const { return data_; }
  std::byte* bytes() const { return static_cast<std::byte*>(data_); }
  size_t size() const { return size_; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

inline cudaError_t allocate_device(void** p, size_t n) { return cudaMalloc(p, n); }
inline cudaError_t allocate_pinned(void** p, size_t n) { return cudaMallocHost(p, n); }
using DeviceMemory = Memory<allocate_device, cudaFree>;
using PinnedMemory = Memory<allocate_pinned, cudaFreeHost>;

// Grows, by a little more than asked for, never shrinks; what it holds is lost where it grows.
template <class Memory>
Status at_least(Memory& memory, size_t bytes) {
  if (memory.size() >= bytes && memory.data() != nullptr) return {};
  memory = Memory();  // the old one goes first
  NWC_ASSIGN_OR_RETURN(memory, Memory::of(bytes + bytes / 4));
  return {};
}

}  // namespace nwc::cuda
