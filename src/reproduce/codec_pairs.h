// The learned transform beside entropy coding alone: what Figure 7 and Table 7 have in common.
#pragma once

#include "reproduce/bench.h"

namespace nwc {

// Points without calibration of codecs trained on the model's own weights, at the profile's rates of ablations. The
// variants' names begin with "learned" (by the lambda that was trained for) or "identity".
Result<AblationReport> learned_and_identity(Bench& bench, const Progress& progress);

}  // namespace nwc
