// A block of a device's memory, as code that knows no device passes it on.
#pragma once

#include <memory>
#include <utility>

namespace nwc {

// A value; copies share the memory, and the last one frees it. The address means nothing to this machine's cores: only
// the device that made it reads or writes there. Thread safety: that of std::shared_ptr.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  // `memory` points to device memory, and its deleter frees it.
  explicit DeviceBuffer(std::shared_ptr<void> memory) : memory_(std::move(memory)) {}
  template <class T>
  T* as() const {
    return static_cast<T*>(memory_.get());
  }

 private:
  std::shared_ptr<void> memory_;
};

}  // namespace nwc
