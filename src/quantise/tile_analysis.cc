#include "quantise/tile_analysis.h"

#include "transform/transform.h"

namespace nwc {
namespace {

// x[j][i] = normalised weight j of chunk i; rows of padding, and rows and columns of zeros give 0.
void gather_chunks(const EncodeJob& job, const LevelGroup& group, const TileSpan& span, float* x, size_t stride) {
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

}  // namespace

TileSymbols analyse_tile(const EncodeJob& job, uint64_t number, QuantiserScratch& scratch) {
  const TileSpan span = job.tiling.tile(number);
  const LevelGroup& group = job.tiling.groups()[span.group];
  TileSymbols tile;
  tile.stride = Transform::padded(span.chunks);
  scratch.chunks.resize(job.chunk_length * tile.stride);
  gather_chunks(job, group, span, scratch.chunks.data(), tile.stride);
  const TileContexts contexts = job.contexts.of_tile(group, span, scratch.contexts);
  job.quantiser.quantise({group.level, span.chunks, tile.stride, {}, contexts}, nullptr, job.isa, scratch);
  tile.values = scratch.symbols;

  const float threshold = job.quantiser.patch_threshold(group.level);
  for (uint32_t i = 0; i < span.chunks; ++i) {
    const uint64_t first_row = (span.first_chunk + i) / group.columns.size() * job.chunk_length;
    for (unsigned j = 0; j < job.chunk_length; ++j) {
      float& y = scratch.decoded[j * tile.stride + i];
      const std::optional<float> value =
          patch_for(scratch.chunks[j * tile.stride + i], y, first_row + j < job.weights.rows, threshold);
      if (!value) continue;
      y = *value;
      tile.patches.push_back({i * job.chunk_length + j, y});
    }
  }
  return tile;
}

}  // namespace nwc
