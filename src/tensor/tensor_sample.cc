#include "tensor/tensor_sample.h"

#include "base/parallel.h"
#include "format/tiling.h"
#include "nwcodec/limits.h"
#include "tensor/context_choice.h"
#include "tensor/table_choice.h"
#include "tensor/tensor_setup.h"

namespace nwc {

Result<TensorSample> sample_tensor(const WeightMatrix& weights, const TensorGuide& guide, const Encoder& encoder,
                                   const EncodeOptions& given, uint64_t tiles, int threads,
                                   const DeviceWeights* device_weights) {
  NWC_RETURN_IF_ERROR(check_options(given));
  const EncodeOptions options = options_for(encoder.codec().parts(), given);
  threads = resolve_threads(threads);
  const DecoderCodec& parts = encoder.codec().parts();
  NWC_ASSIGN_OR_RETURN(const WeightScales scales, scales_of(weights, guide, options, threads, device_weights));
  const Tiling tiling(weights.matrices, weights.rows, weights.columns, parts.chunk_length(), options.tile_chunks,
                      guide.levels);
  NWC_ASSIGN_OR_RETURN(const ContextChoice choice, choose_contexts(weights, guide, encoder));
  const std::unique_ptr<const Quantiser> quantiser = make_quantiser(encoder, options);
  const EncodeJob job =
      EncodeJob::of(weights, scales, tiling, guide, encoder, *choice.contexts, *quantiser, device_weights);
  const auto analysed = [&](uint64_t number, QuantiserScratch& scratch) { return analyse_tile(job, number, scratch); };
  // A tile's word count, its states less what they hold (of their 32 bits, 0 to 16, on average 8), and its index entry.
  constexpr double kTileBytes = 4 + 3 * limits::kLanes + 8;
  const double levels_bytes =
      guide.levels.empty() ? 0.0 : static_cast<double>(packed_level_bytes(guide.levels.size(), parts.levels()));
  SymbolSample symbols;
  if (guide.feedback.empty()) {
    symbols = sample_tiles(job, tiles, threads, analysed);
  } else {
    NWC_ASSIGN_OR_RETURN(symbols, sample_with_feedback(job, tiles, threads));
  }
  return TensorSample{std::move(symbols), 96 + kTileBytes * static_cast<double>(tiling.tile_count()) +
                                              2.0 * static_cast<double>(scales.stored.size()) + levels_bytes +
                                              static_cast<double>(choice.section.size())};
}

double estimated_bytes(const TensorSample& sample, const TableSet& tables, bool own_tables) {
  const TableChoice choice = choose_tables(tables, sample.symbols, own_tables);
  return sample.other_bytes + static_cast<double>(choice.own_bytes.size()) + choice.estimated_bits / 8;
}

}  // namespace nwc
