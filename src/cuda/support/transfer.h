// Copies between this machine's memory and the current device's. All wait until they are done.
#pragma once

#include <memory>
#include <span>
#include <utility>

#include "base/device_buffer.h"
#include "cuda/support/memory.h"

namespace nwc::cuda {

template <class T>
T* as(const DeviceMemory& memory) {
  return static_cast<T*>(memory.data());
}

// Fills `memory`, which grows as needed, and returns its address; a null pointer stands for no values.
template <class T>
Result<const T*> put(DeviceMemory& memory, std::span<const T> values) {
  if (values.empty()) return static_cast<const T*>(nullptr);
  NWC_RETURN_IF_ERROR(at_least(memory, values.size_bytes()));
  NWC_RETURN_IF_ERROR(checked(cudaMemcpy(memory.data(), values.data(), values.size_bytes(), cudaMemcpyHostToDevice),
                              "copying to the device"));
  return static_cast<const T*>(as<T>(memory));
}
template <class T>
Status get(std::span<T> values, const DeviceMemory& memory) {
  return checked(cudaMemcpy(values.data(), memory.data(), values.size_bytes(), cudaMemcpyDeviceToHost),
                 "copying from the device");
}

// These bytes in memory of their own.
inline Result<DeviceMemory> device_copy(std::span<const std::byte> bytes) {
  NWC_ASSIGN_OR_RETURN(DeviceMemory memory, DeviceMemory::of(bytes.size()));
  NWC_RETURN_IF_ERROR(
      checked(cudaMemcpy(memory.data(), bytes.data(), bytes.size(), cudaMemcpyHostToDevice), "copying to the device"));
  return memory;
}

// The same memory as a value that code without CUDA can hold.
inline DeviceBuffer shared(DeviceMemory memory) {
  auto owner = std::make_shared<DeviceMemory>(std::move(memory));
  void* const data = owner->data();
  return DeviceBuffer(std::shared_ptr<void>(std::move(owner), data));
}

}  // namespace nwc::cuda
