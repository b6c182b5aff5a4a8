// Hitting a rate: which codec, which gain and which tables make a checkpoint's compressed weights take B bits each.
#pragma once

#include <cstdint>
#include <vector>

#include "codec/encode/encoder_codec.h"
#include "compress/tensor_loop.h"
#include "guide/guide_source.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "tensor/tensor_encoder.h"
#include "weights/weight_matrix.h"

namespace nwc {

class EncodeDevice;
class Team;

// From how many tiles of each level, or runs of stripes, of a tensor its rate is estimated.
inline constexpr uint64_t kRateSample = 4;

struct RateChoice {
  size_t codec = 0;  // index into the candidates
  double gain = 1.0;
  TableSet tables;             // the codec's, fitted to the checkpoint at that gain (tensor/checkpoint_tables.h)
  double expected_bits = 0.0;  // per compressed weight, everything that decoding needs included
};

// A codec's rate moves by about log2(gain) bits when normalised weights are multiplied by a gain that the column scales
// undo. The candidate whose own rate (gain 1, data-free) is nearest to `bits` is taken, so that its networks and levels
// work near where they were trained, and its gain is found by secants on estimates from samples of every tensor, to
// which its tables are fitted each time. With guides, which change the rate, two more estimates follow, for which each
// tensor's guide is made again. Same arguments, same choice, whatever `threads`. The team's processes share the tensors
// among them, and all get the choice. `device`: what does the work for guides and with them; null for the cores.
// Errors: kInvalidArgument if no gain within the encoder's range gives that rate; those of encoding.
Result<RateChoice> choose_rate(const std::vector<SelectedTensor>& tensors, const std::vector<EncoderCodec>& candidates,
                               double bits, const EncodeOptions& options, const GuideSource* guides, int threads,
                               EncodeDevice* device, Team& team, const Progress& progress);

// The same with steps by sensitivity and a codec without a transform, which is all that they go with: its gain, and
// its tables, one for each level. Tables and decisions of rounding depend on each other, so that each estimate begins
// with the tables of the one before. `sample`: fewer than kRateSample tiles, for an answer sooner.
Result<RateChoice> choose_rate_by_sensitivity(const std::vector<SelectedTensor>& tensors, EncoderCodec codec,
                                              double bits, const EncodeOptions& options, const GuideSource& guides,
                                              int threads, EncodeDevice* device, Team& team, const Progress& progress,
                                              uint64_t sample = kRateSample);

// The mean of log2(spread / step) over all weights, for c = 1 (guide/sensitivity.h).
Result<double> centre_of_spreads(const std::vector<SelectedTensor>& tensors, const GuideSource& guides, int threads,
                                 Team& team, const Progress& progress);

}  // namespace nwc
