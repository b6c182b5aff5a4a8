// A block of bytes on its way to device memory, with pointers into itself that become right once its address is known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace nwc::cuda {

class Blob {
 public:
  static constexpr size_t kAlignment = 256;

  // Appends, aligned; returns the offset.
  template <class T>
  size_t append(std::span<const T> values) {
    const size_t at = reserve(values.size_bytes());
    if (!values.empty()) std::memcpy(bytes_.data() + at, values.data(), values.size_bytes());
    return at;
  }
  template <class T>
  size_t append(const std::vector<T>& values) {
    return append(std::span<const T>(values));
  }
  size_t reserve(size_t size) {
    const size_t at = (bytes_.size() + kAlignment - 1) / kAlignment * kAlignment;
    bytes_.resize(at + size);
    return at;
  }
  // The pointer at `field` (an offset) points to `target` (another).
  void point(size_t field, size_t target) { pointers_.push_back({field, target}); }

  template <class T>
  T* at(size_t offset) {
    return reinterpret_cast<T*>(bytes_.data() + offset);
  }
  size_t size() const { return bytes_.size(); }
  // The bytes for a block at device address `base`, written to `to` (size() bytes).
  void write(const void* base, std::byte* to) const {
    std::memcpy(to, bytes_.data(), bytes_.size());
    for (const Pointer& p : pointers_) {
      const uint64_t address = reinterpret_cast<uintptr_t>(base) + p.target;
      std::memcpy(to + p.field, &address, sizeof address);
    }
  }

 private:
  struct Pointer {
    size_t field, target;
  };
  std::vector<std::byte> bytes_;
  std::vector<Pointer> pointers_;
};

}  // namespace nwc::cuda
