#include "reproduce/ablation_result.h"

namespace nwc {
namespace {

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(CompressOptions base, ablation_base(bench, progress));
  base.hessians.clear();  // the granularity alone
  NWC_ASSIGN_OR_RETURN(ExperimentResult result,
                       ablation_result(bench, normalisation_variants(base), "normalisation", progress));
  result.remarks = {
      "Factors count in the bits. Rows and both sides are not in the paper. Codecs were trained on columns that are "
      "normalised, and are the same for all; without calibration."};
  return result;
}

}  // namespace

extern const Experiment kFigure9a{"Figure 9a",
                                  "Llama 3-8B: perplexity against bits with one factor for the model, for each tensor, "
                                  "for each column",
                                  run, nullptr};

}  // namespace nwc
