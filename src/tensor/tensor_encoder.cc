#include "tensor/tensor_encoder.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/fixed_log2.h"
#include "base/hash.h"
#include "base/parallel.h"
#include "entropy/encode/tile_encoder.h"
#include "format/tiling.h"
#include "quantise/device_quantiser.h"
#include "quantise/feedback.h"
#include "quantise/tile_analysis.h"
#include "quantise/two_sided_feedback.h"
#include "tensor/context_choice.h"
#include "tensor/symbol_sample.h"
#include "tensor/table_choice.h"
#include "tensor/tensor_setup.h"

namespace nwc {
namespace {

// Tiles per (matrix, level) group of a stream whose symbols decide about own tables: enough for stable counts, few
// enough to keep in memory.
constexpr uint64_t kSampleTiles = 64;

// The same for a tensor that was quantised with feedback, whole.
TileSymbols gather_tile(const EncodeJob& job, const std::vector<QuantisedStripes>& parts, uint64_t stripes_per_part,
                        uint64_t number) {
  const TileSpan span = job.tiling.tile(number);
  const LevelGroup& group = job.tiling.groups()[span.group];
  const uint64_t parts_per_matrix = (job.tiling.stripes() + stripes_per_part - 1) / stripes_per_part;
  TileSymbols tile;
  tile.stride = Transform::padded(span.chunks);
  tile.values.assign(job.latents * tile.stride, 0);
  for (uint32_t i = 0; i < span.chunks; ++i) {
    const uint64_t chunk = span.first_chunk + i, stripe = chunk / group.columns.size(),
                   column = group.columns[chunk % group.columns.size()];
    const QuantisedStripes& part = parts[group.matrix * parts_per_matrix + stripe / stripes_per_part];
    const uint64_t in_part = stripe % stripes_per_part;
    for (unsigned c = 0; c < job.latents; ++c)
      tile.values[c * tile.stride + i] = part.symbols[(in_part * job.latents + c) * part.columns + column];
    const auto patches = part.patches.empty() ? part.patches.end() : part.patches.find(in_part * part.columns + column);
    if (patches == part.patches.end()) continue;
    for (const auto& [row, value] : patches->second) tile.patches.push_back({i * job.chunk_length + row, value});
  }
  return tile;
}

// Adds what the decoder will make of the tile; same arithmetic, before the rounding to the stored dtype.
void add_errors(const EncodeJob& job, uint64_t number, const QuantiserScratch& scratch, size_t stride,
                EncodeStatistics& sums) {
  const TileSpan span = job.tiling.tile(number);
  const LevelGroup& group = job.tiling.groups()[span.group];
  const float* const scales = job.scales.columns.data() + group.matrix * job.weights.columns;
  for (uint32_t i = 0; i < span.chunks; ++i) {
    const uint64_t chunk = span.first_chunk + i;
    const double column_scale = scales[group.columns[chunk % group.columns.size()]];
    const uint64_t first_row = chunk / group.columns.size() * job.chunk_length;
    for (unsigned j = 0; j < job.chunk_length && first_row + j < job.weights.rows; ++j) {
      const double x = scratch.chunks[j * stride + i], d = static_cast<double>(scratch.decoded[j * stride + i]) - x;
      const double scale = column_scale * job.scales.row_factor(group.matrix * job.weights.rows + first_row + j);
      if (scale == 0) continue;
      sums.normalised_squared_error += d * d;
      sums.squared_error += d * d * scale * scale;
      sums.squared_weight += x * x * scale * scale;
    }
  }
}

// Ideal cost of single integers under a table.
class SymbolCost {
 public:
  explicit SymbolCost(const FrequencyTable& table) : table_(table) {
    for (const uint16_t f : table.frequencies) {
      const uint64_t cost = (uint64_t{limits::kPrecisionBits + table.shift} << kCostBits) - fixed_log2(f);
      bits_.push_back(std::ldexp(static_cast<double>(cost), -static_cast<int>(kCostBits)));
    }
  }
  // Returns 1 for an escape.
  uint64_t add(int32_t value, double& bits) const {
    const uint32_t symbol = table_.symbols().symbol_of(value);
    bits += bits_[symbol];
    if (symbol != table_.count()) return 0;
    bits += escape_bits(value);
    return 1;
  }

 private:
  FrequencyTable table_;
  std::vector<double> bits_;
};

constexpr uint64_t kFewestRows = 256;

// Stripes that one work item quantises with feedback: up to a block of the transforms, fewer where all threads would
// not get one.
uint64_t stripes_together(const EncodeJob& job, int threads) {
  const uint64_t all = job.weights.matrices * job.tiling.stripes(), share = all / static_cast<uint64_t>(threads);
  return std::clamp<uint64_t>(share, std::max<uint64_t>(1, kFewestRows / job.chunk_length), kMlpBlock);
}

// The whole tensor, `together` stripes at a time.
std::vector<StripeRange> ranges_of(const EncodeJob& job, uint64_t together) {
  std::vector<StripeRange> ranges;
  for (uint64_t matrix = 0; matrix < job.weights.matrices && job.weights.elements() > 0; ++matrix) {
    for (uint64_t first = 0; first < job.tiling.stripes(); first += together)
      ranges.push_back({matrix, first, std::min(together, job.tiling.stripes() - first)});
  }
  return ranges;
}

// The same with feedback along rows too, which takes a matrix at once.
std::vector<QuantisedStripes> quantise_matrices(const EncodeJob& job, int threads) {
  std::vector<QuantisedStripes> quantised;
  for (uint64_t matrix = 0; matrix < job.weights.matrices && job.weights.elements() > 0; ++matrix) {
    const StripeTask task{job.weights,   job.scales,   job.levels_of_matrix(matrix), job.guide.feedback[matrix].get(),
                          job.quantiser, &job.contexts};
    quantised.push_back(
        quantise_two_sided(task, *job.guide.row_feedback[matrix], *job.quantiser.one_by_one(), matrix, threads));
  }
  return quantised;
}

// All that weights come to.
struct Coding {
  TableChoice tables;
  CodedTiles tiles;
  EncodeStatistics sums;
};

TableChoice tables_for(const EncodeJob& job, const SymbolSample& sample) {
  return choose_tables(job.encoder.codec().parts().tables.set, sample, true);
}

Result<Coding> code_on_cores(const EncodeJob& job, const EncodeOptions& options, int threads) {
  // Without feedback, tiles are quantised one by one as they are wanted, and again for the sample, which needs less
  // memory.
  const bool feedback = !job.guide.feedback.empty();
  const bool two_sided = feedback && !job.guide.row_feedback.empty();
  const uint64_t together = two_sided  ? std::max<uint64_t>(1, job.tiling.stripes())
                            : feedback ? stripes_together(job, threads)
                                       : 0;
  const std::vector<QuantisedStripes> quantised = two_sided  ? quantise_matrices(job, threads)
                                                  : feedback ? quantise_ranges(job, ranges_of(job, together), threads)
                                                             : std::vector<QuantisedStripes>();
  const auto tile_of = [&](uint64_t number, QuantiserScratch& scratch) {
    return feedback ? gather_tile(job, quantised, together, number) : analyse_tile(job, number, scratch);
  };
  Coding coding{{job.encoder.codec().parts().tables.set, {}, 0}, {}, {}};
  if (options.own_tables) coding.tables = tables_for(job, sample_tiles(job, kSampleTiles, threads, tile_of));
  const CodingTables coding_tables(coding.tables.used);
  const std::vector<SymbolCost> costs(coding.tables.used.begin(), coding.tables.used.end());
  const uint64_t tile_count = job.tiling.tile_count();
  std::vector<std::vector<std::byte>> tiles(tile_count);
  std::vector<EncodeStatistics> per_tile(tile_count);  // summed in order, so that the sums do not depend on threads
  std::vector<QuantiserScratch> scratch(static_cast<size_t>(threads));
  NWC_RETURN_IF_ERROR(parallel_for(tile_count, threads, [&](size_t number, int worker) -> Status {
    QuantiserScratch& buffers = scratch[static_cast<size_t>(worker)];
    const TileSpan span = job.tiling.tile(number);
    const TileSymbols symbols = tile_of(number, buffers);
    const TileShape shape{job.latents, span.chunks, options.run_groups, job.chunk_length};
    const TileContexts contexts = job.contexts.of_tile(job.tiling.groups()[span.group], span, buffers.contexts);
    tiles[number] = encode_tile(coding_tables, contexts, shape, symbols.values.data(), symbols.stride, symbols.patches);

    EncodeStatistics& sums = per_tile[number];
    if (!feedback) add_errors(job, number, buffers, symbols.stride, sums);
    sums.patches = symbols.patches.size();
    for (unsigned c = 0; c < job.latents; ++c) {
      const int32_t* row = symbols.values.data() + c * symbols.stride;
      for (uint32_t i = 0; i < span.chunks; ++i) {
        const CodedInteger coded = contexts.coded(c, i, row[i]);
        sums.escapes += costs[coded.context].add(coded.value, sums.table_bits);
      }
    }
    return {};
  }));
  size_t payload = 0;
  for (const std::vector<std::byte>& tile : tiles) payload += tile.size();
  coding.tiles.bytes.reserve(payload);
  for (uint64_t t = 0; t < tile_count; ++t) {
    coding.tiles.sizes.push_back(static_cast<uint32_t>(tiles[t].size()));
    coding.tiles.bytes.insert(coding.tiles.bytes.end(), tiles[t].begin(), tiles[t].end());
    tiles[t] = {};
    coding.sums.table_bits += per_tile[t].table_bits;
    coding.sums.squared_error += per_tile[t].squared_error;
    coding.sums.squared_weight += per_tile[t].squared_weight;
    coding.sums.normalised_squared_error += per_tile[t].normalised_squared_error;
    coding.sums.escapes += per_tile[t].escapes;
    coding.sums.patches += per_tile[t].patches;
  }
  for (const QuantisedStripes& part : quantised) {
    coding.sums.squared_error += part.squared_error;
    coding.sums.squared_weight += part.squared_weight;
    coding.sums.normalised_squared_error += part.normalised_squared_error;
    coding.sums.weighted_error += part.weighted_error;
  }
  return coding;
}

Result<Coding> code_on_device(const EncodeJob& job, const EncodeOptions& options) {
  const std::vector<StripeRange> all = ranges_of(job, std::max<uint64_t>(1, job.tiling.stripes()));
  NWC_ASSIGN_OR_RETURN(const std::unique_ptr<const DeviceSymbols> symbols,
                       job.encoder.device()->quantise(job, all, true));
  Coding coding{{job.encoder.codec().parts().tables.set, {}, 0}, {}, symbols->statistics()};
  if (options.own_tables) {
    NWC_ASSIGN_OR_RETURN(const SymbolSample sample, sample_tiles(job, kSampleTiles, *symbols));
    coding.tables = tables_for(job, sample);
  }
  NWC_ASSIGN_OR_RETURN(coding.tiles, symbols->code(coding.tables.used, options.run_groups));
  NWC_ASSIGN_OR_RETURN(const std::vector<Histogram> histograms, symbols->histograms());
  for (size_t context = 0; context < histograms.size(); ++context) {
    const SymbolCost cost(coding.tables.used[context]);
    for (const auto& [value, count] : histograms[context]) {
      double bits = 0;
      coding.sums.escapes += cost.add(value, bits) * count;
      coding.sums.table_bits += bits * static_cast<double>(count);
    }
  }
  return coding;
}

}  // namespace

Result<EncodedTensor> encode_tensor(const WeightMatrix& weights, const TensorGuide& guide, const Encoder& encoder,
                                    const EncodeOptions& given, int threads, const DeviceWeights* device_weights) {
  NWC_RETURN_IF_ERROR(check_options(given));
  const EncodeOptions options = options_for(encoder.codec().parts(), given);
  threads = resolve_threads(threads);
  const Codec& codec = encoder.codec();
  NWC_ASSIGN_OR_RETURN(const WeightScales scales, scales_of(weights, guide, options, threads, device_weights));
  const Tiling tiling(weights.matrices, weights.rows, weights.columns, codec.parts().chunk_length(),
                      options.tile_chunks, guide.levels);
  NWC_ASSIGN_OR_RETURN(const ContextChoice choice, choose_contexts(weights, guide, encoder));
  const std::unique_ptr<const Quantiser> quantiser = make_quantiser(encoder, options);
  if (!guide.row_feedback.empty() && quantiser->one_by_one() == nullptr)
    return Error(ErrorCode::kInvalidArgument, "feedback along rows asks for a codec without a transform");
  const EncodeJob job =
      EncodeJob::of(weights, scales, tiling, guide, encoder, *choice.contexts, *quantiser, device_weights);

  EncodedTensor encoded;
  for (const uint16_t half : scales.stored) append_le(encoded.scales, half);
  if (!guide.levels.empty()) encoded.levels = pack_levels(guide.levels, codec.parts().levels());
  Result<Coding> coded =
      encoder.device() != nullptr ? code_on_device(job, options) : code_on_cores(job, options, threads);
  if (!coded) return std::move(coded).error();
  const std::vector<std::byte>& payload = coded->tiles.bytes;

  StreamHeader& header = encoded.header;
  header.codec_id = codec.id();
  header.tensor_id = xxh3(weights.name);
  header.scales_hash = xxh3(encoded.scales);
  header.has_levels = !encoded.levels.empty();
  header.levels_hash = header.has_levels ? xxh3(encoded.levels) : 0;
  header.matrices = weights.matrices;
  header.rows = weights.rows;
  header.columns = weights.columns;
  header.tile_chunks = options.tile_chunks;
  header.run_groups = options.run_groups;
  header.scale_exponent = scales.exponent;
  header.one_scale = scales.one_scale;
  header.has_row_factors = !scales.rows.empty() && !guide.lines;
  header.dtype = weights.dtype;
  if (weights.difference) {
    header.base = weights.difference->base;
    header.dtype = weights.difference->dtype;
  }
  header.dimensions = weights.dimensions;
  header.transposed = weights.transposed;
  header.context_rule = choice.rule;
  header.correction_bits = guide.lines ? guide.lines->correction_bits : uint8_t{0};
  std::vector<std::byte> section = choice.section;
  section.insert(section.end(), coded->tables.own_bytes.begin(), coded->tables.own_bytes.end());
  header.has_own_tables = !coded->tables.own_bytes.empty();

  std::vector<TileIndexEntry> index(tiling.tile_count());
  std::vector<size_t> begins;
  size_t at = 0;
  for (const uint32_t size : coded->tiles.sizes) {
    begins.push_back(at);
    at += size;
  }
  NWC_RETURN_IF_ERROR(parallel_for(index.size(), threads, [&](size_t t, int) -> Status {
    const uint32_t size = coded->tiles.sizes[t];
    index[t] = {size, tile_checksum(std::span(payload).subspan(begins[t], size), header.tensor_id, t)};
    return {};
  }));
  encoded.statistics = coded->sums;
  encoded.statistics.weights = weights.elements();
  encoded.statistics.payload_bytes = payload.size();
  encoded.stream = serialise_stream_head(header, section, index);
  encoded.stream.insert(encoded.stream.end(), payload.begin(), payload.end());
  return encoded;
}

}  // namespace nwc
