#include "tensor/checkpoint_tables.h"

#include <gtest/gtest.h>

namespace nwc {
namespace {

TensorSample sample_of(std::vector<Histogram> histograms, std::vector<uint64_t> sampled, std::vector<uint64_t> all) {
  return {{std::move(histograms), std::move(sampled), std::move(all)}, 0};
}

TableSet flat_tables(unsigned levels) { return TableSet(levels, fit_table({{-4, 1}, {4, 1}})); }

TEST(CheckpointTables, WeighTensorsBySize) {
  // Both samples have 100 symbols; the first stands for nine times as many as the second.
  const std::vector<TensorSample> samples{sample_of({{{0, 100}}}, {100}, {900}), sample_of({{{1, 100}}}, {100}, {100})};
  const FrequencyTable table = fit_checkpoint_tables(samples, flat_tables(1))[0];
  EXPECT_NEAR(table.frequencies[table.symbols().symbol_of(0)], 0.9 * kFrequencyTotal, 4);
  EXPECT_NEAR(table.frequencies[table.symbols().symbol_of(1)], 0.1 * kFrequencyTotal, 4);
}

TEST(CheckpointTables, KeepTheCodecsForLevelsThatDoNotOccur) {
  const TableSet of_codec = flat_tables(2);
  const TableSet fitted =
      fit_checkpoint_tables(std::vector<TensorSample>{sample_of({{{0, 10}}, {}}, {10, 0}, {10, 0})}, of_codec);
  EXPECT_FALSE(fitted[0] == of_codec[0]);
  EXPECT_TRUE(fitted[1] == of_codec[1]);
}

}  // namespace
}  // namespace nwc
