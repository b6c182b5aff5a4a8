// Several devices at once, for commands that share their work out among them. Needs no LibTorch headers.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "libtorch/device.h"
#include "nwcodec/result.h"

namespace nwc {

// What open_device() takes, "cuda:NUMBER,NUMBER..." or "cuda:all", all that there are. Never empty. Errors: those of
// open_device().
Result<std::vector<ModelDevice>> open_devices(std::string_view names, size_t local_rank = 0);

}  // namespace nwc
