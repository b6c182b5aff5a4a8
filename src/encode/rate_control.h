// Hitting a rate: which codec and which gain make a checkpoint's compressed weights take B bits each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "encode/encoder_codec.h"
#include "encode/tensor_encoder.h"
#include "encode/weight_matrix.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

struct RateChoice {
  size_t codec = 0;      // index into the candidates
  double gain = 1.0;
  double expected_bits = 0.0;  // per compressed weight, everything that decoding needs included
};

// A codec's rate moves by log2(gain) bits when normalised weights are multiplied by a gain that the column scales undo. The
// candidate whose own rate (gain 1) is nearest to `bits` is taken, so that its networks and levels work near where they were trained,
// and its gain is found by secants on estimates from samples of every tensor. Same arguments, same choice, whatever `threads`.
// Errors: kInvalidArgument if no gain within the encoder's range gives that rate; those of encoding.
Result<RateChoice> choose_rate(const std::vector<WeightMatrix>& weights, const std::vector<EncoderCodec>& candidates, double bits,
                               const EncodeOptions& options, int threads, const Progress& progress);

}  // namespace nwc
