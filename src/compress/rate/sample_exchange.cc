#include "compress/rate/sample_exchange.h"

#include "team/team.h"

namespace nwc {
namespace {

// All numbers of a sample in a row, counts of what follows first. Counts of symbols are far below 2^53, so that doubles
// hold them.
std::vector<double> flattened(const TensorSample& sample) {
  const SymbolSample& symbols = sample.symbols;
  std::vector<double> numbers{sample.other_bytes, static_cast<double>(symbols.sampled.size()),
                              static_cast<double>(symbols.histograms.size())};
  for (const std::vector<uint64_t>& counts : {symbols.sampled, symbols.symbols}) {
    for (const uint64_t n : counts) numbers.push_back(static_cast<double>(n));
  }
  for (const Histogram& histogram : symbols.histograms) {
    numbers.push_back(static_cast<double>(histogram.size()));
    for (const auto& [value, count] : histogram) {
      numbers.push_back(value);
      numbers.push_back(static_cast<double>(count));
    }
  }
  return numbers;
}

TensorSample restored(const double* numbers) {
  TensorSample sample;
  const auto next = [&] { return *numbers++; };
  const auto count = [&] { return static_cast<uint64_t>(next()); };
  sample.other_bytes = next();
  const uint64_t contexts = count(), histograms = count();
  for (uint64_t c = 0; c < contexts; ++c) sample.symbols.sampled.push_back(count());
  for (uint64_t c = 0; c < contexts; ++c) sample.symbols.symbols.push_back(count());
  for (uint64_t h = 0; h < histograms; ++h) {
    Histogram& histogram = sample.symbols.histograms.emplace_back(count());
    for (auto& [value, n] : histogram) {
      value = static_cast<int32_t>(next());
      n = count();
    }
  }
  return sample;
}

}  // namespace

Status share_samples(std::vector<TensorSample>& samples, Team& team) {
  if (team.size() == 1) return {};
  std::vector<std::vector<double>> mine(samples.size());
  std::vector<double> lengths(samples.size(), 0.0);
  for (size_t i = team.rank(); i < samples.size(); i += team.size()) {
    mine[i] = flattened(samples[i]);
    lengths[i] = static_cast<double>(mine[i].size());
  }
  NWC_RETURN_IF_ERROR(team.gather(lengths));
  for (size_t i = 0; i < samples.size(); ++i) {
    mine[i].resize(static_cast<size_t>(lengths[i]), 0.0);
    NWC_RETURN_IF_ERROR(team.gather(mine[i]));
    samples[i] = restored(mine[i].data());
  }
  return {};
}

}  // namespace nwc
