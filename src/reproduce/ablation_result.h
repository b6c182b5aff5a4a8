// Ablations as plots and tables: what Figures 9a and 9b have in common.
#pragma once

#include <string>
#include <vector>

#include "ablation/ablation.h"
#include "reproduce/bench.h"
#include "reproduce/experiment.h"

namespace nwc {

// Variants of these names of `all`, run at the profile's rates: perplexity and divergence against bits. `base` options:
// the model, calibrated, by the paper's levels and column factors, with shipped codecs to choose among.
Result<CompressOptions> ablation_base(Bench& bench, const Progress& progress);
Result<ExperimentResult> ablation_result(Bench& bench, std::vector<AblationVariant> variants, const std::string& name,
                                         const Progress& progress);

}  // namespace nwc
