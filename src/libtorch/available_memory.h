// How much of this machine's memory is free to use.
#pragma once

#include <cstdint>

namespace nwc {

// In bytes: what the kernel says can be had without swapping, and no more than the control group of this process has
// left (containers). 0 where neither is known. Changes from call to call; thread-safe.
uint64_t available_memory();

}  // namespace nwc
