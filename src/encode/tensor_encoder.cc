#include "encode/tensor_encoder.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/fixed_log2.h"
#include "base/hash.h"
#include "base/parallel.h"
#include "encode/feedback.h"
#include "encode/quantiser.h"
#include "encode/table_fit.h"
#include "encode/tile_encoder.h"
#include "format/tiling.h"

namespace nwc {
namespace {

// Tiles per (matrix, level) group of a stream whose symbols decide about own tables: enough for stable counts, few enough to
// keep in memory.
constexpr uint64_t kSampleTiles = 64;

struct TileSymbols {
  size_t stride = 0;
  std::vector<int32_t> values;  // [latents][stride]
  std::vector<Patch> patches;
};

struct Job {
  const WeightMatrix& weights;
  const WeightScales& scales;
  const Tiling& tiling;
  const TensorGuide& guide;
  const Encoder& encoder;
  unsigned chunk_length, latents;
  Isa isa;
};

// x[j][i] = normalised weight j of chunk i; rows of padding, and rows and columns of zeros give 0.
void gather_chunks(const Job& job, const LevelGroup& group, const TileSpan& span, float* x, size_t stride) {
  const WeightMatrix& w = job.weights;
  const uint64_t per_stripe = group.columns.size();
  const float* const scales = job.scales.columns.data() + group.matrix * w.columns;
  for (uint32_t i = 0; i < stride; ++i) {
    const uint64_t chunk = span.first_chunk + i;
    const uint32_t column = i < span.chunks ? group.columns[chunk % per_stripe] : 0;
    const float scale = i < span.chunks ? scales[column] : 0.0f;
    const uint64_t first_row = chunk / per_stripe * job.chunk_length;
    for (unsigned j = 0; j < job.chunk_length; ++j) {
      const uint64_t row = first_row + j;
      const float factor = scale > 0 && row < w.rows ? job.scales.row_factor(group.matrix * w.rows + row) : 0.0f;
      x[j * stride + i] = factor > 0 ? w.at(w.index_of(group.matrix, row, column)) / scale / factor : 0.0f;
    }
  }
}

// Chunks -> latents -> symbols -> decoded chunks, and the patches where the two differ by too much. `scratch` keeps the chunks and
// their decoded form.
TileSymbols analyse_tile(const Job& job, uint64_t number, QuantiserScratch& scratch) {
  const TileSpan span = job.tiling.tile(number);
  const LevelGroup& group = job.tiling.groups()[span.group];
  TileSymbols tile;
  tile.stride = Transform::padded(span.chunks);
  scratch.chunks.resize(job.chunk_length * tile.stride);
  gather_chunks(job, group, span, scratch.chunks.data(), tile.stride);
  quantise_chunks(job.encoder, group.level, span.chunks, tile.stride, job.isa, scratch);
  tile.values = scratch.symbols;

  const float threshold = job.encoder.patch_threshold(group.level);
  for (uint32_t i = 0; i < span.chunks; ++i) {
    const uint64_t first_row = (span.first_chunk + i) / group.columns.size() * job.chunk_length;
    for (unsigned j = 0; j < job.chunk_length; ++j) {
      float& y = scratch.decoded[j * tile.stride + i];
      const std::optional<float> value = patch_for(scratch.chunks[j * tile.stride + i], y, first_row + j < job.weights.rows, threshold);
      if (!value) continue;
      y = *value;
      tile.patches.push_back({i * job.chunk_length + j, y});
    }
  }
  return tile;
}

// The same for a tensor that was quantised with feedback, whole.
TileSymbols gather_tile(const Job& job, const std::vector<QuantisedStripes>& parts, uint64_t stripes_per_part, uint64_t number) {
  const TileSpan span = job.tiling.tile(number);
  const LevelGroup& group = job.tiling.groups()[span.group];
  const uint64_t parts_per_matrix = (job.tiling.stripes() + stripes_per_part - 1) / stripes_per_part;
  TileSymbols tile;
  tile.stride = Transform::padded(span.chunks);
  tile.values.assign(job.latents * tile.stride, 0);
  for (uint32_t i = 0; i < span.chunks; ++i) {
    const uint64_t chunk = span.first_chunk + i, stripe = chunk / group.columns.size(), column = group.columns[chunk % group.columns.size()];
    const QuantisedStripes& part = parts[group.matrix * parts_per_matrix + stripe / stripes_per_part];
    const uint64_t in_part = stripe % stripes_per_part;
    for (unsigned c = 0; c < job.latents; ++c) tile.values[c * tile.stride + i] = part.symbols[(in_part * job.latents + c) * part.columns + column];
    const auto patches = part.patches.empty() ? part.patches.end() : part.patches.find(in_part * part.columns + column);
    if (patches == part.patches.end()) continue;
    for (const auto& [row, value] : patches->second) tile.patches.push_back({i * job.chunk_length + row, value});
  }
  return tile;
}

// Adds what the decoder will make of the tile; same arithmetic, before the rounding to the stored dtype.
void add_errors(const Job& job, uint64_t number, const QuantiserScratch& scratch, size_t stride, EncodeStatistics& sums) {
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
    const uint32_t symbol = table_.symbol_of(value);
    bits += bits_[symbol];
    if (symbol != table_.count()) return 0;
    bits += escape_bits(value);
    return 1;
  }

 private:
  const FrequencyTable& table_;
  std::vector<double> bits_;
};

Histogram histogram_of(std::vector<int32_t>& values) {
  std::sort(values.begin(), values.end());
  Histogram histogram;
  for (const int32_t v : values) {
    if (histogram.empty() || histogram.back().first != v) histogram.emplace_back(v, 0);
    ++histogram.back().second;
  }
  return histogram;
}

struct TableChoice {
  TableSet used;                     // what to encode with
  std::vector<std::byte> own_bytes;  // the stream's own tables, empty if it has none
  double estimated_bits = 0;         // of all symbols, from the sample
};

// Symbols of a tensor, or a share of them, by level and channel.
struct SymbolSample {
  std::vector<std::vector<int32_t>> values;   // [levels * channels]
  std::vector<uint64_t> symbols_of_level;     // of one channel, in the whole tensor
};

std::vector<uint64_t> count_symbols(const Job& job) {
  std::vector<uint64_t> counts(job.encoder.codec().parts().levels());
  for (const LevelGroup& group : job.tiling.groups()) counts[group.level] += group.chunks;
  return counts;
}

// From at most `sample_tiles` tiles of each level, evenly spaced.
template <class TileSource>
SymbolSample sample_tiles_of(const Job& job, uint64_t sample_tiles, int threads, const TileSource& tile_of) {
  const unsigned levels = job.encoder.codec().parts().levels();
  std::vector<std::vector<uint64_t>> tiles_of_level(levels);
  for (const LevelGroup& group : job.tiling.groups()) {
    const uint64_t end = &group == &job.tiling.groups().back() ? job.tiling.tile_count() : (&group + 1)->first_tile;
    for (uint64_t t = group.first_tile; t < end; ++t) tiles_of_level[group.level].push_back(t);
  }
  SymbolSample sample{std::vector<std::vector<int32_t>>(levels * job.latents), count_symbols(job)};
  std::vector<QuantiserScratch> scratch(static_cast<size_t>(threads));
  for (unsigned level = 0; level < levels; ++level) {
    const std::vector<uint64_t>& all = tiles_of_level[level];
    if (all.empty()) continue;
    const uint64_t sampled = std::min<uint64_t>(sample_tiles, all.size());
    std::vector<TileSymbols> tiles(sampled);
    (void)parallel_for(sampled, threads, [&](size_t s, int worker) -> Status {
      tiles[s] = tile_of(all[s * all.size() / sampled], scratch[static_cast<size_t>(worker)]);
      return {};
    });
    for (uint64_t s = 0; s < sampled; ++s) {
      const uint32_t chunks = job.tiling.tile(all[s * all.size() / sampled]).chunks;
      for (unsigned c = 0; c < job.latents; ++c) {
        const int32_t* row = tiles[s].values.data() + c * tiles[s].stride;
        std::vector<int32_t>& values = sample.values[level * job.latents + c];
        values.insert(values.end(), row, row + chunks);
      }
      tiles[s] = {};
    }
  }
  return sample;
}

// Fits tables to a sample and keeps those that pay for their bytes.
TableChoice choose_tables(const Job& job, SymbolSample sample, bool allow_own) {
  const TableSet& codec_tables = job.encoder.codec().parts().tables.set;
  TableSet own{codec_tables.levels, codec_tables.channels, std::vector<FrequencyTable>(codec_tables.tables.size())};
  TableChoice choice{codec_tables, {}, 0};
  uint64_t saved = 0, codec_total = 0, own_table_bytes = 0;
  for (unsigned level = 0; level < codec_tables.levels; ++level) {
    for (unsigned c = 0; c < job.latents; ++c) {
      std::vector<int32_t>& values = sample.values[level * job.latents + c];
      if (values.empty()) continue;
      const uint64_t values_in_sample = values.size();
      const Histogram histogram = histogram_of(values);
      const FrequencyTable& of_codec = codec_tables.at(level, c);
      FrequencyTable fitted = fit_table(histogram);
      const TableSet alone{1, 1, {fitted}};
      const uint64_t table_bytes = serialise_own_tables(alone).size(), table_cost = 8 * table_bytes << kCostBits;
      // Scaled by symbols, because the last tile of a group may be short.
      const auto of_all_tiles = [&](uint64_t cost) {
        return static_cast<uint64_t>(static_cast<double>(cost) * static_cast<double>(sample.symbols_of_level[level]) / static_cast<double>(values_in_sample));
      };
      const uint64_t codec_cost = of_all_tiles(coding_cost(histogram, of_codec));
      codec_total += codec_cost;
      const uint64_t own_cost = of_all_tiles(coding_cost(histogram, fitted)) + table_cost;
      if (!allow_own || own_cost >= codec_cost) continue;
      saved += codec_cost - own_cost;
      own_table_bytes += table_bytes;
      own.tables[level * codec_tables.channels + c] = fitted;
      choice.used.tables[level * codec_tables.channels + c] = std::move(fitted);
    }
  }
  std::vector<std::byte> bytes = serialise_own_tables(own);
  const uint64_t empty_entries = own.tables.size();  // a byte each for tables that are not replaced
  const auto to_bits = [](uint64_t cost) { return std::ldexp(static_cast<double>(cost), -static_cast<int>(kCostBits)); };
  if (saved <= empty_entries * 8 << kCostBits) return {codec_tables, {}, to_bits(codec_total)};
  choice.own_bytes = std::move(bytes);
  choice.estimated_bits = to_bits(codec_total - saved) - 8.0 * static_cast<double>(own_table_bytes);
  return choice;
}

// Stripes of a sample's parts.
constexpr uint64_t kSampleStripes = 16;

// Stripes that one work item quantises with feedback: up to a block of the transforms, fewer where all threads would not get one.
uint64_t stripes_together(const Job& job, int threads) {
  const uint64_t all = job.weights.matrices * job.tiling.stripes(), share = all / static_cast<uint64_t>(threads);
  return std::clamp<uint64_t>(share, kSampleStripes, kMlpBlock);
}

std::span<const uint8_t> levels_of_matrix(const Job& job, uint64_t matrix) {
  const std::span<const uint8_t> all(job.guide.levels);
  return all.empty() ? all : all.subspan(matrix * job.weights.columns, job.weights.columns);
}

std::vector<QuantisedStripes> quantise_with_feedback(const Job& job, uint64_t together, int threads) {
  const uint64_t stripes = job.tiling.stripes(), parts = (stripes + together - 1) / together;
  std::vector<QuantisedStripes> quantised(job.weights.elements() == 0 ? 0 : job.weights.matrices * parts);
  (void)parallel_for(quantised.size(), threads, [&](size_t item, int) -> Status {
    const uint64_t matrix = item / parts, first = item % parts * together;
    quantised[item] = quantise_stripes(job.weights, matrix, first, std::min(together, stripes - first), job.scales, levels_of_matrix(job, matrix),
                                       *job.guide.feedback[matrix], job.encoder);
    return {};
  });
  return quantised;
}

// From at most `parts` runs of stripes of the tensor.
SymbolSample sample_with_feedback(const Job& job, uint64_t parts, int threads) {
  SymbolSample sample{std::vector<std::vector<int32_t>>(job.encoder.codec().parts().levels() * job.latents), count_symbols(job)};
  const uint64_t stripes = job.tiling.stripes(), per_matrix = (stripes + kSampleStripes - 1) / kSampleStripes;
  const uint64_t all = job.weights.elements() == 0 ? 0 : job.weights.matrices * per_matrix, sampled = std::min(parts, all);
  std::vector<QuantisedStripes> quantised(sampled);
  const auto part_of = [&](uint64_t s) { return s * all / sampled; };
  (void)parallel_for(sampled, threads, [&](size_t s, int) -> Status {
    const uint64_t matrix = part_of(s) / per_matrix, first = part_of(s) % per_matrix * kSampleStripes;
    quantised[s] = quantise_stripes(job.weights, matrix, first, std::min(kSampleStripes, stripes - first), job.scales, levels_of_matrix(job, matrix),
                                    *job.guide.feedback[matrix], job.encoder);
    return {};
  });
  for (uint64_t s = 0; s < sampled; ++s) {
    const std::span<const uint8_t> levels = levels_of_matrix(job, part_of(s) / per_matrix);
    const QuantisedStripes& part = quantised[s];
    for (uint64_t i = 0; i < part.stripes * job.latents; ++i) {
      for (uint64_t k = 0; k < part.columns; ++k) {
        const unsigned level = levels.empty() ? 0 : levels[k];
        sample.values[level * job.latents + i % job.latents].push_back(part.symbols[i * part.columns + k]);
      }
    }
  }
  return sample;
}

}  // namespace

Status check_options(const EncodeOptions& options) {
  const auto invalid = [](std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); };
  if (options.tile_chunks == 0 || options.tile_chunks > limits::kMaxTileChunks || options.tile_chunks % limits::kLanes != 0) {
    return invalid("chunks per tile must be a multiple of " + std::to_string(limits::kLanes) + ", at most " + std::to_string(limits::kMaxTileChunks));
  }
  if (options.run_groups == 0 || options.run_groups > limits::kMaxTileChunks / limits::kLanes) {
    return invalid("groups per run must be 1 to " + std::to_string(limits::kMaxTileChunks / limits::kLanes));
  }
  if (!(options.normalisation.gain >= 1.0 / 64 && options.normalisation.gain <= 64)) return invalid("gain must lie between 1/64 and 64");
  return {};
}

LevelErrors Encoder::level_errors() const {
  LevelErrors errors;
  for (const float nmse : nmse_) errors.push_back(std::sqrt(nmse));
  return errors;
}

float Encoder::patch_threshold(unsigned level) const {
  // Eight steps of a uniform quantiser with the codec's error (step^2 / 12 = nmse).
  return 8.0f * std::sqrt(12.0f * nmse_[level]);
}

Result<double> estimate_encoded_bytes(const WeightMatrix& weights, const TensorGuide& guide, const Encoder& encoder,
                                      const EncodeOptions& options, uint64_t sample_tiles, int threads) {
  NWC_RETURN_IF_ERROR(check_options(options));
  threads = resolve_threads(threads);
  const Codec& codec = encoder.codec();
  NWC_ASSIGN_OR_RETURN(const WeightScales scales, weight_scales(weights, options.normalisation, guide.column_gains, threads));
  const Tiling tiling(weights.matrices, weights.rows, weights.columns, codec.parts().chunk_length(), options.tile_chunks, guide.levels);
  const Job job{weights, scales, tiling, guide, encoder, codec.parts().chunk_length(), codec.parts().latents(), current_isa()};
  const auto analysed = [&](uint64_t number, QuantiserScratch& scratch) { return analyse_tile(job, number, scratch); };
  const TableChoice tables = choose_tables(job, guide.feedback.empty() ? sample_tiles_of(job, sample_tiles, threads, analysed) : sample_with_feedback(job, sample_tiles, threads),
                                           options.own_tables);
  // A tile's word count, its states less what they hold (16 bits each), and its index entry.
  constexpr double kTileBytes = 4 + 2 * limits::kLanes + 8;
  const double levels_bytes = guide.levels.empty() ? 0.0 : static_cast<double>(packed_level_bytes(guide.levels.size(), codec.parts().levels()));
  return 96 + static_cast<double>(tables.own_bytes.size()) + kTileBytes * static_cast<double>(tiling.tile_count()) + tables.estimated_bits / 8 +
         2.0 * static_cast<double>(scales.stored.size()) + levels_bytes;
}

Result<EncodedTensor> encode_tensor(const WeightMatrix& weights, const TensorGuide& guide, const Encoder& encoder,
                                    const EncodeOptions& options, int threads) {
  NWC_RETURN_IF_ERROR(check_options(options));
  threads = resolve_threads(threads);
  const Codec& codec = encoder.codec();
  NWC_ASSIGN_OR_RETURN(const WeightScales scales, weight_scales(weights, options.normalisation, guide.column_gains, threads));
  const Tiling tiling(weights.matrices, weights.rows, weights.columns, codec.parts().chunk_length(), options.tile_chunks, guide.levels);
  const Job job{weights, scales, tiling, guide, encoder, codec.parts().chunk_length(), codec.parts().latents(), current_isa()};

  EncodedTensor encoded;
  for (const uint16_t half : scales.stored) append_le(encoded.scales, half);
  if (!guide.levels.empty()) encoded.levels = pack_levels(guide.levels, codec.parts().levels());
  TableChoice tables{codec.parts().tables.set, {}, 0};
  const bool feedback = !guide.feedback.empty();
  const uint64_t together = feedback ? stripes_together(job, threads) : 0;
  const std::vector<QuantisedStripes> quantised = feedback ? quantise_with_feedback(job, together, threads) : std::vector<QuantisedStripes>();
  const auto tile_of = [&](uint64_t number, QuantiserScratch& scratch) {
    return feedback ? gather_tile(job, quantised, together, number) : analyse_tile(job, number, scratch);
  };
  if (options.own_tables) tables = choose_tables(job, sample_tiles_of(job, kSampleTiles, threads, tile_of), true);

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
  header.has_row_factors = !scales.rows.empty();
  header.dtype = weights.dtype;
  header.dimensions = weights.dimensions;
  header.transposed = weights.transposed;
  header.has_own_tables = !tables.own_bytes.empty();

  const uint64_t tile_count = tiling.tile_count();
  std::vector<std::vector<std::byte>> tiles(tile_count);
  std::vector<EncodeStatistics> per_tile(tile_count);  // summed in order, so that the sums do not depend on threads
  std::vector<QuantiserScratch> scratch(static_cast<size_t>(threads));
  NWC_RETURN_IF_ERROR(parallel_for(tile_count, threads, [&](size_t number, int worker) -> Status {
    QuantiserScratch& buffers = scratch[static_cast<size_t>(worker)];
    const TileSpan span = tiling.tile(number);
    const unsigned level = tiling.groups()[span.group].level;
    const TileSymbols symbols = tile_of(number, buffers);
    const TileShape shape{level, span.chunks, options.run_groups, job.chunk_length};
    tiles[number] = encode_tile(tables.used, shape, symbols.values.data(), symbols.stride, symbols.patches);

    EncodeStatistics& sums = per_tile[number];
    if (!feedback) add_errors(job, number, buffers, symbols.stride, sums);
    sums.payload_bytes = tiles[number].size();
    sums.patches = symbols.patches.size();
    for (unsigned c = 0; c < job.latents; ++c) {
      const SymbolCost cost(tables.used.at(level, c));
      const int32_t* row = symbols.values.data() + c * symbols.stride;
      for (uint32_t i = 0; i < span.chunks; ++i) sums.escapes += cost.add(row[i], sums.table_bits);
    }
    return {};
  }));

  std::vector<TileIndexEntry> index;
  uint64_t payload = 0;
  EncodeStatistics& total = encoded.statistics;
  for (uint64_t t = 0; t < tile_count; ++t) {
    index.push_back({static_cast<uint32_t>(tiles[t].size()), tile_checksum(tiles[t], header.tensor_id, t)});
    payload += tiles[t].size();
    total.table_bits += per_tile[t].table_bits;
    total.squared_error += per_tile[t].squared_error;
    total.squared_weight += per_tile[t].squared_weight;
    total.normalised_squared_error += per_tile[t].normalised_squared_error;
    total.escapes += per_tile[t].escapes;
    total.patches += per_tile[t].patches;
  }
  for (const QuantisedStripes& part : quantised) {
    total.squared_error += part.squared_error;
    total.squared_weight += part.squared_weight;
    total.normalised_squared_error += part.normalised_squared_error;
    total.weighted_error += part.weighted_error;
  }
  total.weights = weights.elements();
  total.payload_bytes = payload;
  encoded.stream = serialise_stream_head(header, tables.own_bytes, index);
  encoded.stream.reserve(encoded.stream.size() + payload);
  for (std::vector<std::byte>& tile : tiles) {
    encoded.stream.insert(encoded.stream.end(), tile.begin(), tile.end());
    tile = {};
  }
  return encoded;
}

}  // namespace nwc
