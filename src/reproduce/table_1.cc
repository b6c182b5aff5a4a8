#include <fmt/format.h>

#include <algorithm>

#include "reproduce/weight_statistics.h"

namespace nwc {
namespace {

struct Row {
  const char* name;
  const char* stage;                          // of study/statistics_study.h
  const char *kurtosis, *largest, *outliers;  // the paper's
};

constexpr Row kRows[] = {{"Original", "original", "20.48", "43.57", "1.94%"},
                         {"DCT", "dct", "0.46", "10.54", "0.50%"},
                         {"Random rotation", "rotation", "5.42", "16.77", "1.86%"},
                         {"RHT", "hadamard", "5.44", "16.66", "1.86%"},
                         {"Neural encoder", "latents", "0.00", "2.70", "0.00%"}};

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const StatisticsReport report, weight_statistics(bench, progress));
  ExperimentResult result;
  result.table.push_back({"transform", "kurtosis, mean", "largest", "max, sigma, mean", "largest",
                          "beyond 3 sigma, mean", "paper: kurtosis", "max", "beyond 3 sigma"});
  for (const Row& row : kRows) {
    double kurtosis = 0, most_kurtosis = -2, sigma = 0, most_sigma = 0, share = 0, count = 0;
    for (const TensorStatistics& t : report.tensors) {
      if (t.type.find("q_proj") == std::string::npos && t.type.find("qkv") == std::string::npos) continue;
      const Moments& m = t.at(row.stage);
      kurtosis += m.excess_kurtosis;
      sigma += m.max_sigma;
      share += m.share_beyond_3;
      most_kurtosis = std::max(most_kurtosis, m.excess_kurtosis);
      most_sigma = std::max(most_sigma, m.max_sigma);
      ++count;
    }
    if (count == 0) return nothing_because("this model's query projections do not go by that name");
    result.table.push_back({row.name, fmt::format("{:.2f}", kurtosis / count), fmt::format("{:.2f}", most_kurtosis),
                            fmt::format("{:.2f}", sigma / count), fmt::format("{:.2f}", most_sigma),
                            fmt::format("{:.2f}%", 100 * share / count), row.kurtosis, row.largest, row.outliers});
  }
  result.remarks = {
      "Over the query projections of all blocks; the paper does not say of which its numbers are. Its model is "
      "Llama 3-8B, its encoder the one trained on that; ours is a shipped codec's, of normalised columns."};
  return result;
}

}  // namespace

extern const Experiment kTable1{"Table 1",
                                "Llama 3-8B, query projections: kurtosis, largest value and outliers of weights, after "
                                "fixed transforms, and of the encoder's latents",
                                run, nullptr};

}  // namespace nwc
