// Sizes of compressed checkpoints as users think of them.
#pragma once

#include <string_view>

#include "compress/compress_plan.h"
#include "nwcodec/result.h"

namespace nwc {

// Of all weight files: one of the two is not 0.
struct SizeTarget {
  double bytes = 0;
  double share = 0;  // of the original's tensors
};

// "4.5GB", "700MiB", "123456", "60%": digits with kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB, or bytes, or
// per cent. Errors: kInvalidArgument.
Result<SizeTarget> parse_size(std::string_view text);

// Of the weight files, what does not depend on the rate: plain tensors, headers, checksums. Without the codec.
double fixed_bytes(const CompressPlan& plan);

// The rate of the compressed weights, in bits with all side information, that makes files of this size. Errors:
// kInvalidArgument, naming the least size, if it is below 1 bit.
Result<double> bits_for(const SizeTarget& target, const CompressPlan& plan);

}  // namespace nwc
