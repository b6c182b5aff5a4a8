#include "quantise/feedback.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "quantise/feedback_kernel.h"
#include "quantise/quantiser.h"
#include "quantise/tile_analysis.h"

namespace nwc {

namespace {

// The contexts of one column's chunks, [channels][stride].
TileContexts contexts_of_column(const StripeTask& task, const StripeRange& range, unsigned level, uint64_t column,
                                size_t stride, QuantiserScratch& scratch) {
  if (task.contexts == nullptr) return {};
  const StreamContexts& contexts = *task.contexts;
  std::vector<Context>& of_chunk = scratch.contexts_of_chunk;
  of_chunk.resize(contexts.channels());
  if (contexts.shared()) {
    contexts.of_chunk({range.matrix, level, range.first, static_cast<uint32_t>(column)}, of_chunk);
    return {of_chunk.data(), 0};
  }
  scratch.contexts.resize(contexts.channels() * stride);
  for (uint64_t i = 0; i < range.count; ++i) {
    contexts.of_chunk({range.matrix, level, range.first + i, static_cast<uint32_t>(column)}, of_chunk);
    for (unsigned c = 0; c < contexts.channels(); ++c) scratch.contexts[c * stride + i] = of_chunk[c];
  }
  return {scratch.contexts.data(), stride};
}

}  // namespace

QuantisedStripes quantise_stripes(const StripeTask& task, const StripeRange& range) {
  const WeightMatrix& w = task.weights;
  const WeightScales& scales = task.scales;
  const FeedbackFactor* const factor = task.factor;
  const uint64_t matrix = range.matrix, first_stripe = range.first, stripes = range.count;
  const unsigned length = task.quantiser.chunk_length(), latents = task.quantiser.channels();
  const Isa isa = current_isa();
  const uint64_t n = w.columns;
  const size_t stride = task.quantiser.stride_of(stripes), size = length * stride;

  QuantisedStripes result{.first_stripe = first_stripe, .stripes = stripes, .columns = n, .latents = latents};
  result.symbols.resize(stripes * latents * n);
  if (latents == 0) result.decoded.resize(stripes * length * n);

  // All buffers are [row in the chunk][stripe]: what the transforms take. Errors are kept for every position that a
  // later column may hear of.
  AlignedVector<float> errors((factor != nullptr ? n : 1) * size, 0.0f), target(size), factors(size, 0.0f);
  QuantiserScratch scratch;
  scratch.chunks.assign(size, 0.0f);
  for (unsigned j = 0; j < length; ++j) {
    for (uint64_t i = 0; i < stripes; ++i) {
      const uint64_t row = (first_stripe + i) * length + j;
      if (row < w.rows) factors[j * stride + i] = scales.row_factor(matrix * w.rows + row);
    }
  }
  const std::unique_ptr<StripeState> state = task.quantiser.begin(w, range);
  for (uint64_t position = n; position-- > 0;) {
    const uint64_t k = factor != nullptr ? factor->order[position] : n - 1 - position;
    const float scale = scales.columns[matrix * n + k];
    const unsigned level = task.levels.empty() ? 0 : task.levels[k];
    for (unsigned j = 0; j < length; ++j) {
      for (uint64_t i = 0; i < stripes; ++i) {
        const uint64_t row = (first_stripe + i) * length + j;
        target[j * stride + i] = row < w.rows ? w.at(w.index_of(matrix, row, k)) : 0.0f;
      }
    }
    float* const error = errors.data() + (factor != nullptr ? position : 0) * size;
    std::copy(target.begin(), target.end(), error);  // of the original: what is decoded comes off below
    if (factor != nullptr) {
      const uint64_t done = std::min(n, (position / factor->block_size + 1) * factor->block_size);
      add_weighted_columns(errors.data(), size, factor->row(position), done, n, target.data(), size, isa);
    }
    for (size_t i = 0; i < size; ++i) {
      const float divisor = factors[i];
      scratch.chunks[i] = scale > 0 && divisor > 0 ? target[i] / scale / divisor : 0.0f;
    }
    const ChunkBatch batch{level, static_cast<uint32_t>(stripes), stride, k,
                           contexts_of_column(task, range, level, k, stride, scratch)};
    task.quantiser.quantise(batch, state.get(), isa, scratch);
    const float threshold = task.quantiser.patch_threshold(level);
    for (uint64_t i = 0; i < stripes; ++i) {
      for (unsigned c = 0; c < latents; ++c)
        result.symbols[(i * latents + c) * n + k] = scratch.symbols[c * stride + i];
      for (unsigned j = 0; j < length; ++j) {
        const size_t at = j * stride + i;
        const bool inside = (first_stripe + i) * length + j < w.rows;
        if (const std::optional<float> value = patch_for(scratch.chunks[at], scratch.decoded[at], inside, threshold)) {
          scratch.decoded[at] = *value;
          result.patches[i * n + k].emplace_back(j, *value);
        }
        if (!inside) continue;
        const float decoded = scratch.decoded[at] * scale * factors[at];
        if (latents == 0) result.decoded[(i * length + j) * n + k] = decoded;
        const double original = error[at], wrong = original - decoded,
                     missed = static_cast<double>(target[at]) - decoded;
        error[at] = static_cast<float>(wrong);
        const double unit = static_cast<double>(scale) * factors[at];
        result.squared_error += wrong * wrong;
        result.squared_weight += original * original;
        if (unit > 0) result.normalised_squared_error += wrong * wrong / (unit * unit);
        if (factor != nullptr && factor->block_size == 1)
          result.weighted_error += factor->pivots[position] * missed * missed;
      }
    }
  }
  return result;
}

std::vector<QuantisedStripes> quantise_ranges(const EncodeJob& job, std::span<const StripeRange> ranges, int threads) {
  std::vector<QuantisedStripes> quantised(ranges.size());
  parallel_for_or_throw(ranges.size(), threads, [&](size_t i, int) {
    const uint64_t matrix = ranges[i].matrix;
    quantised[i] = quantise_stripes({job.weights, job.scales, job.levels_of_matrix(matrix),
                                     job.guide.feedback[matrix].get(), job.quantiser, &job.contexts},
                                    ranges[i]);
  });
  return quantised;
}

}  // namespace nwc
