// What the environment says about how this process was started.
#pragma once

#include <cstddef>

namespace nwc {

// How many processes an MPI launcher started beside each other, this one included; 0 if there was no launcher.
size_t launched_processes();

}  // namespace nwc
