#include "methods/grid_quantiser.h"

#include <vector>

namespace nwc {
namespace {

constexpr unsigned kRowsTogether = 16;

class Grids final : public StripeState {
 public:
  Grids(uint64_t rows, uint64_t groups) : groups_(groups), grids_(rows * groups) {}
  IntegerGrid& at(uint64_t row, uint64_t group) { return grids_[row * groups_ + group]; }

 private:
  uint64_t groups_;
  std::vector<IntegerGrid> grids_;  // [rows of the range][groups]
};

}  // namespace

GridQuantiser::GridQuantiser(const GridOptions& options, uint64_t group)
    : Quantiser(kRowsTogether, 0), options_(options), group_(group) {}

std::unique_ptr<StripeState> GridQuantiser::begin(const WeightMatrix& w, const StripeRange& range) const {
  const uint64_t first = range.first * chunk_length(), rows = std::min(w.rows - first, range.count * chunk_length()),
                 width = group_width(group_, w.columns), groups = groups_in(group_, w.columns);
  auto grids = std::make_unique<Grids>(range.count * chunk_length(), groups);
  for (uint64_t r = 0; r < rows; ++r) {
    for (uint64_t g = 0; g < groups; ++g) {
      float least = 0, most = 0;
      for (uint64_t k = g * width; k < std::min(w.columns, (g + 1) * width); ++k) {
        const float value = w.at(w.index_of(range.matrix, first + r, k));
        least = std::min(least, value);
        most = std::max(most, value);
      }
      grids->at(r, g) = grid_between(least, most, options_);
    }
  }
  return grids;
}

void GridQuantiser::quantise(const ChunkBatch& batch, StripeState* state, Isa, QuantiserScratch& scratch) const {
  Grids& grids = static_cast<Grids&>(*state);  // begin() made it
  scratch.decoded.resize(chunk_length() * batch.stride);
  const uint64_t group = group_ == 0 ? 0 : *batch.column / group_;
  for (unsigned j = 0; j < chunk_length(); ++j) {
    for (uint32_t i = 0; i < batch.chunks; ++i) {
      const size_t at = j * batch.stride + i;
      scratch.decoded[at] = grids.at(uint64_t{i} * chunk_length() + j, group).round(scratch.chunks[at]);
    }
  }
}

}  // namespace nwc
