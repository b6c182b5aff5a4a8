#include <fmt/format.h>

#include <system_error>

#include "compress/compress.h"
#include "report/figures.h"
#include "report/report.h"
#include "reproduce/ablation_result.h"

namespace nwc {
namespace {

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(CompressOptions options, ablation_base(bench, progress));
  options.bits = bench.profile().ablation_bits.back();
  options.threads = bench.options().threads;
  options.force = true;
  NWC_ASSIGN_OR_RETURN(const std::filesystem::path folder, bench.work("figure-8"));
  options.output = folder / "compressed";
  NWC_ASSIGN_OR_RETURN(const CompressReport compressed, compress_checkpoint(options, progress));
  Result<CompressionReport> report = make_report({.model = options.model,
                                                  .compressed = options.output,
                                                  .hessians = options.hessians,
                                                  .options = {},
                                                  .threads = options.threads},
                                                 compressed, progress);
  std::error_code ignored;
  std::filesystem::remove_all(options.output, ignored);
  if (!report) return std::move(report).error();
  ExperimentResult result;
  result.panels = column_panels(*report);
  result.table.push_back({"tensor", "block", "layer", "correlation of log diag(H) and log 1 / column error"});
  for (const ReportedTensor& tensor : report->tensors) {
    const std::optional<double> correlation = diagonal_correlation(tensor);
    result.table.push_back({tensor.record.name, std::to_string(tensor.depth), tensor.type,
                            correlation ? fmt::format("{:.3f}", *correlation) : ""});
  }
  result.remarks = {
      "Of every kind of layer the one of the middle block, columns of one importance level in one colour; the paper "
      "shows the query projection of block 10. Its lower half, a heat map of errors, is left out: the upper half says "
      "the same column by column."};
  return result;
}

}  // namespace

extern const Experiment kFigure8{"Figure 8",
                                 "Llama 3-8B, query projection of block 10: diag(H) against the inverse squared error "
                                 "of columns; below, the errors as a heat map",
                                 run, nullptr};

}  // namespace nwc
