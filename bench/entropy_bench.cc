// Entropy decoding: the symbols of a 4096 x 4096 tensor at about 4 bits, per instruction set, beside zstd on the same
// symbols.
//
// Reported in symbols per second; one thread each.
#include <benchmark/benchmark.h>
#include <zstd.h>

#include <cmath>
#include <random>
#include <vector>

#include "entropy/encode/tile_encoder.h"
#include "entropy/tile_decoder.h"

namespace nwc {
namespace {

constexpr uint32_t kChunks = 4096 * 4096 / 16, kChannels = 16, kTileChunks = 2048;

// Sixteen Gaussian channels whose standard deviations differ by a few per cent, as a trained codec's do.
double sigma_of(unsigned channel) { return 3.87 * (1.0 + 0.02 * (channel % 8)); }  // entropy near 4 bits

FrequencyTable gaussian_table(double sigma) {
  const int32_t reach = static_cast<int32_t>(std::ceil(4.2 * sigma));
  FrequencyTable table{-reach, 0, {}};
  const auto cdf = [&](double x) { return 0.5 * std::erfc(-x / sigma / std::sqrt(2.0)); };
  uint32_t total = 0;
  for (int32_t v = -reach; v <= reach; ++v) {
    table.frequencies.push_back(static_cast<uint16_t>(std::max(1.0, std::floor(4000 * (cdf(v + 0.5) - cdf(v - 0.5))))));
    total += table.frequencies.back();
  }
  table.frequencies.push_back(1);
  table.frequencies[static_cast<size_t>(reach)] += static_cast<uint16_t>(kFrequencyTotal - total - 1);
  return table;
}

struct Data {
  TableSet tables;
  std::vector<Context> channels;  // a table for each
  std::vector<std::vector<std::byte>> tiles;
  std::vector<uint8_t> symbols_as_bytes;
  double bits_per_symbol = 0;

  TileContexts contexts() const { return {channels.data()}; }

  Data() {
    std::mt19937 random(1);
    for (unsigned c = 0; c < kChannels; ++c) {
      tables.push_back(gaussian_table(sigma_of(c)));
      channels.push_back(static_cast<Context>(c));
    }
    const CodingTables coding(tables);
    std::vector<int32_t> symbols(kChannels * kTileChunks);
    size_t bytes = 0;
    for (uint32_t tile = 0; tile < kChunks / kTileChunks; ++tile) {
      for (unsigned c = 0; c < kChannels; ++c) {
        std::normal_distribution<double> gaussian(0.0, sigma_of(c));
        for (uint32_t i = 0; i < kTileChunks; ++i) {
          symbols[c * kTileChunks + i] = static_cast<int32_t>(std::lround(gaussian(random)));
        }
      }
      tiles.push_back(
          encode_tile(coding, contexts(), {kChannels, kTileChunks, 64, 16}, symbols.data(), kTileChunks, {}));
      bytes += tiles.back().size();
      for (const int32_t s : symbols) symbols_as_bytes.push_back(static_cast<uint8_t>(s));
    }
    bits_per_symbol = 8.0 * static_cast<double>(bytes) / static_cast<double>(symbols_as_bytes.size());
  }
};

const Data& data() {
  static const Data instance;
  return instance;
}

void bench_decode(benchmark::State& state, Isa isa) {
  const Data& d = data();
  const DecodingTables tables(d.tables);
  std::vector<uint8_t> symbols(kTilesTogether * kChannels * kTileChunks);
  std::vector<Escape> escapes[kTilesTogether];
  std::vector<Patch> patches[kTilesTogether];
  for (auto _ : state) {
    for (size_t first = 0; first + kTilesTogether <= d.tiles.size(); first += kTilesTogether) {
      TileJob jobs[kTilesTogether];
      for (size_t t = 0; t < kTilesTogether; ++t)
        jobs[t] = {d.tiles[first + t], d.contexts(), &symbols[t * kChannels * kTileChunks], nullptr,
                   &escapes[t],        &patches[t]};
      const Status status = decode_tiles(jobs, tables, {kChannels, kTileChunks, 64, 16}, isa, kTileChunks);
      if (!status) state.SkipWithError(status.error().to_string().c_str());
      benchmark::ClobberMemory();
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(d.symbols_as_bytes.size()));
  state.counters["bits_per_symbol"] = d.bits_per_symbol;
}

void bench_zstd(benchmark::State& state) {
  const Data& d = data();
  std::vector<char> compressed(ZSTD_compressBound(d.symbols_as_bytes.size()));
  compressed.resize(
      ZSTD_compress(compressed.data(), compressed.size(), d.symbols_as_bytes.data(), d.symbols_as_bytes.size(), 1));
  std::vector<char> out(d.symbols_as_bytes.size());
  for (auto _ : state) {
    if (ZSTD_decompress(out.data(), out.size(), compressed.data(), compressed.size()) != out.size())
      state.SkipWithError("zstd");
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(out.size()));
  state.counters["bits_per_symbol"] = 8.0 * static_cast<double>(compressed.size()) / static_cast<double>(out.size());
}

}  // namespace
}  // namespace nwc

int main(int argc, char** argv) {
  for (const nwc::Isa isa : nwc::available_isas()) {
    benchmark::RegisterBenchmark(("rans_decode/" + std::string(nwc::name_of(isa))).c_str(), nwc::bench_decode, isa);
  }
  benchmark::RegisterBenchmark("zstd_level1_decompress", nwc::bench_zstd);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
