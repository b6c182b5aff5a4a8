// The identity of a compression (checkpoint/run_identity.h).
#pragma once

#include <string>

#include "checkpoint/run_identity.h"
#include "compress/codec_choice.h"
#include "compress/compress.h"
#include "compress/compress_plan.h"
#include "guide/hessian_store.h"

namespace nwc {

class BlockCompressor;

// `hessians`: null in the data-free mode. `exact`: whether what quantises gives the bytes of the cores. Threads and the
// number of processes never change a byte, so they do not count.
RunIdentity identity_of(const CompressOptions& options, const ModelKind& model, const CompressPlan& plan,
                        const HessianStore* hessians, const ChosenCodec& chosen, const BlockCompressor& blocks,
                        bool exact);

}  // namespace nwc
