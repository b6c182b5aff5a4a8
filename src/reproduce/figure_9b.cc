#include <algorithm>

#include "reproduce/ablation_result.h"

namespace nwc {
namespace {

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const CompressOptions base, ablation_base(bench, progress));
  std::vector<AblationVariant> variants;
  for (AblationVariant& variant : calibration_variants(base)) {
    for (const char* name : {"neither", "levels", "feedback", "both"}) {
      if (variant.name == name) variants.push_back(std::move(variant));
    }
  }
  NWC_ASSIGN_OR_RETURN(ExperimentResult result, ablation_result(bench, std::move(variants), "levels", progress));
  result.remarks = {"Importance levels with and without feedback between columns; the paper shows one pair."};
  return result;
}

}  // namespace

extern const Experiment kFigure9b{"Figure 9b", "Llama 3-8B: perplexity against bits with importance levels and without",
                                  run, nullptr};

}  // namespace nwc
