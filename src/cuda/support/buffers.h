// Device memory that tensors use one after another, and what fills it. Private to src/encode/cuda.
#pragma once

#include <span>

#include "cuda/support/memory.h"

namespace nwc::cuda {

struct Buffers {
  DeviceMemory scales, factors, levels;                               // of a whole tensor
  DeviceMemory symbols, stripes, errors, patches, patch_count, sums;  // of the stripes at work
  DeviceMemory targets, originals, chunks, latents, decoded;          // of a batch
  DeviceMemory plan, states, statuses, repairs;
  DeviceMemory near, far, far_count;                     // counts of symbols
  DeviceMemory columns, groups, tiles, numbers, tables;  // descriptions for coding
  DeviceMemory words, word_counts, coder_states, escapes, escape_count, offsets, payload;
};

template <class T>
T* as(const DeviceMemory& memory) {
  return static_cast<T*>(memory.data());
}

// Fills `memory`; a null pointer stands for nothing.
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

}  // namespace nwc::cuda
