// What works on the numbers of a plain checkpoint cannot take the bytes of a compressed one for them.
#pragma once

#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"

namespace nwc {

// Errors: kInvalidArgument naming a tensor that says so, for a checkpoint that is compressed already.
Status check_not_compressed(const Checkpoint& checkpoint);

}  // namespace nwc
