// What a compression does where its caller left options open: the command line's defaults, and the Python module's.
#pragma once

#include "compress/compress.h"
#include "nwcodec/result.h"

namespace nwc {

// Which options nobody chose.
struct OpenOptions {
  bool steps = true, feedback = true, normalisation = true;
  bool trellis = true, rate_weight = true, tile_chunks = true;
};

// Steps by sensitivity where a rate is asked for and the Hessians know it, with feedback along both sides if they know
// those. Does nothing without Hessians or without a rate. Errors: those of HessianStore::open().
Status settle_guide(const OpenOptions& open, bool asks_for_a_rate, CompressOptions& options);

// The rest, once the steps are known: factors for rows where there are Hessians; with steps by sensitivity a trellis,
// with tiles and rate weight to go with it. Errors: kInvalidArgument for a trellis with other steps.
Status settle_encoding(const OpenOptions& open, CompressOptions& options);

}  // namespace nwc
