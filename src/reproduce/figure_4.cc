#include "reproduce/points.h"

namespace nwc {
namespace {

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  if (bench.options().others.empty()) return nothing_because("no models of other families were named (--other)");
  ExperimentResult result;
  for (const std::filesystem::path& model : bench.options().others) {
    NWC_ASSIGN_OR_RETURN(const std::vector<ComparisonPoint> points, all_points(bench, model, progress));
    add_points(points, {common_sense_metric(bench.tasks())}, model.filename().string(), result);
  }
  result.remarks = {
      "The paper's models (Mixtral-8x7B, Qwen3-30B-A3B, GPT-OSS-20B) are larger than what is run here.",
      "The lower half, vision encoders on ImageNet-1k, is not built: it needs trained encoders and labelled images."};
  return result;
}

}  // namespace

extern const Experiment kFigure4{"Figure 4",
                                 "Above: average accuracy on six common-sense tasks for Mixtral, Qwen3 and GPT-OSS "
                                 "against bits. Below: ImageNet-1k accuracy of CLIP, SigLIP and DINOv2",
                                 run, nullptr};

}  // namespace nwc
