// A codec's tables fitted to one checkpoint: its own come from training data at gain 1, and neither need be like the
// checkpoint's weights.
#pragma once

#include <span>

#include "entropy/frequency_table.h"
#include "tensor/tensor_sample.h"

namespace nwc {

// One table per context for the symbols of all tensors, each tensor weighted by its size; contexts that occur in no
// sample keep the codec's. Tables stand once per checkpoint, whatever they are, so these cost nothing. Integer
// and IEEE arithmetic: the same tables on every machine.
TableSet fit_checkpoint_tables(std::span<const TensorSample> samples, const TableSet& of_codec,
                               TableRange range = TableRange::kAny);

}  // namespace nwc
