#include "reproduce/weight_statistics.h"

#include <algorithm>

namespace nwc {

Result<StatisticsReport> weight_statistics(Bench& bench, const Progress& progress) {
  const std::vector<std::filesystem::path>& codecs =
      bench.profile().paper_networks ? bench.options().paper_codecs : bench.options().fast_codecs;
  if (codecs.empty()) return Error(ErrorCode::kNotFound, "no shipped codecs found");
  const auto named = std::find_if(codecs.begin(), codecs.end(),
                                  [](const auto& codec) { return codec.stem().string().ends_with("-1000"); });
  StatisticsOptions options;
  options.model = bench.options().model;
  options.codec = named == codecs.end() ? codecs.front() : *named;
  options.threads = bench.options().threads;
  return run_statistics_study(options, progress);
}

}  // namespace nwc
