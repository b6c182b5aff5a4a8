// Moments of the model's weights and of their transforms: what Figure 13 and Table 1 have in common.
#pragma once

#include "reproduce/bench.h"
#include "reproduce/experiment.h"
#include "study/statistics_study.h"

namespace nwc {

// With latents of the shipped codec of lambda 1000. Errors: those of run_statistics_study(); kNotFound without codecs.
Result<StatisticsReport> weight_statistics(Bench& bench, const Progress& progress);

}  // namespace nwc
