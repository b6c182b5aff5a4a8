// What the entropy model is worth (paper, Section C.5 and Figure 9d): the same transforms trained with quantisers of
// fixed length instead.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "learn/train.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

struct FixedLengthOptions {
  // Models, networks, steps, batch, rates, seed and threads count; levels, lambda and output are not used.
  TrainOptions train;
  std::vector<int> bits{2, 3, 4};            // per weight, of the fixed-length quantisers; 1 to 5
  std::vector<double> lambdas{20, 80, 320};  // of the entropy-coded codecs
};

struct FixedLengthPoint {
  std::string method;    // "scalar": a learned codebook of 2^b numbers per latent; "vector": of 4^b pairs per pair of
                         // latents; "entropy": rounding and density
  double parameter = 0;  // bits or lambda
  double bits = 0;       // per weight: exact for fixed length, cross-entropy of rounded latents for "entropy"
  double nmse = 0;       // of validation chunks
};

// Codebooks begin as Lloyd's on the latents of the first batch and learn with the networks; gradients pass the
// quantiser straight through. Errors: as train_codec().
Result<std::vector<FixedLengthPoint>> run_fixed_length_study(const FixedLengthOptions& options,
                                                             const Progress& progress);

}  // namespace nwc
