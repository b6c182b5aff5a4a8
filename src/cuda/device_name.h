// Which device a text such as "cuda:1" means.
#pragma once

#include <string>

#include "nwcodec/result.h"

namespace nwc::cuda {

// "cuda" is number 0. Errors: kInvalidArgument.
Result<int> device_number(const std::string& device);

}  // namespace nwc::cuda
