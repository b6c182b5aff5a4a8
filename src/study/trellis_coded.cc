#include "study/trellis_coded.h"

#include <algorithm>
#include <cmath>

#include "compress/codec_choice.h"
#include "guide/sensitivity.h"
#include "tensor/checkpoint_tables.h"
#include "tensor/tensor_encoder.h"
#include "tensor/tensor_sample.h"

namespace nwc {
namespace {

constexpr int kRounds = 4;          // of tables and steps that follow from each other
constexpr double kFurthest = 0.25;  // octaves below what the rate asks for without side information
constexpr uint64_t kSampleTiles = 16;

// What a codec file holds of these tables: three numbers, and the frequencies.
double bytes_of_used(const SymbolSample& sample, const TableSet& tables) {
  double bytes = 0;
  for (size_t context = 0; context < tables.size(); ++context) {
    if (sample.sampled[context] > 0) bytes += 12.0 + 2.0 * static_cast<double>(tables[context].frequencies.size());
  }
  return bytes;
}

}  // namespace

Result<CodecPoint> trellis_coded(const Samples& samples, double bits, unsigned states, int threads) {
  const WeightMatrix weights{
      samples.name, DType::kF32, 2, true, 1, samples.rows, samples.columns, std::as_bytes(std::span(samples.values))};
  TensorGuide guide;
  const auto columns = static_cast<size_t>(samples.columns), rows = static_cast<size_t>(samples.rows);
  guide.lines = LineScales{std::vector<int16_t>(columns), std::vector<int16_t>(rows),
                           std::vector<int16_t>(columns, kCentreContext), std::vector<int16_t>(rows)};
  double octaves = octaves_for(bits, states > 0);
  const double count = static_cast<double>(weights.elements());
  EncodeOptions options{.tile_chunks = states > 0 ? kTrellisTileChunks : EncodeOptions{}.tile_chunks,
                        .trellis_states = states,
                        .rate_weight = best_rate_weight(states),
                        .own_tables = false};
  EncoderCodec codec = codec_by_sensitivity(options, bits);
  double table_bytes = 0;
  const double root = std::sqrt(samples.power());
  for (int round = 0; round < kRounds; ++round) {
    options.normalisation.gain = std::exp2(octaves) / root;
    NWC_ASSIGN_OR_RETURN(const TensorSample sample,
                         sample_tensor(weights, guide, Encoder(codec, 0), options, kSampleTiles, threads));
    codec.decoder.tables.set = fit_checkpoint_tables(std::span(&sample, 1), codec.decoder.tables.set,
                                                     states > 0 ? TableRange::kEven : TableRange::kAny);
    table_bytes = bytes_of_used(sample.symbols, codec.decoder.tables.set);
    const double bytes = estimated_bytes(sample, codec.decoder.tables.set, false) + table_bytes;
    octaves = std::max(octaves + bits - 8.0 * bytes / count, octaves_for(bits, states > 0) - kFurthest);
  }
  options.normalisation.gain = std::exp2(octaves) / root;
  NWC_ASSIGN_OR_RETURN(const EncodedTensor encoded, encode_tensor(weights, guide, Encoder(codec, 0), options, threads));
  const double bytes = static_cast<double>(encoded.stream.size() + encoded.scales.size()) + table_bytes;
  return CodecPoint{
      .point = {8.0 * bytes / count, encoded.statistics.squared_error / encoded.statistics.squared_weight},
      .payload_bits = 8.0 * static_cast<double>(encoded.statistics.payload_bytes) / count,
      .patches = encoded.statistics.patches};
}

}  // namespace nwc
