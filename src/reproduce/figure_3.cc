#include "reproduce/points.h"

namespace nwc {
namespace {

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const std::vector<ComparisonPoint> points, all_points(bench, bench.options().model, progress));
  ExperimentResult result;
  add_points(points,
             {perplexity_metric(bench.options().wikitext), common_sense_metric(bench.tasks()), task_metric("mmlu")},
             bench.options().model.filename().string(), result);
  result.remarks = {
      "The paper plots Llama 3-8B without giving the numbers: perplexities and accuracies of another model cannot "
      "stand "
      "beside them, only the order of methods and where their curves meet.",
      "QuIP#, QTIP and the paper's own figures contain recovery fine-tuning between layers of a block; here only the "
      "paper's form has it (recover=1), the others none. NWC's figures there are averages over three codecs; Table 6 "
      "has that spread."};
  return result;
}

}  // namespace

extern const Experiment kFigure3{"Figure 3",
                                 "Llama 3-8B: perplexity on WikiText-2 (context 2048), average accuracy on six "
                                 "common-sense tasks, and MMLU, against bits per weight, of all methods",
                                 run, nullptr};

}  // namespace nwc
