// Round to nearest on asymmetric integer grids, one for each group of neighbouring columns of a row: q = round(w / s) +
// z in [0, 2^bits), with s = (max - min) / (2^bits - 1) in binary16 and z an integer of as many bits. With the feedback
// of quantise/feedback.h this is GPTQ (Frantar et al. 2023, Algorithm 1) with groups that are fixed beforehand, as its
// implementations do it with act-order ("static groups").
#include <algorithm>
#include <cmath>

#include "base/half.h"
#include "baselines/baseline.h"

namespace nwc {
namespace {

constexpr unsigned kRowsTogether = 16;

struct Grid {
  float step = 0;  // 0: the group is all zeros
  float zero = 0;  // the grid's integer that stands for 0
};

class Grids final : public StripeState {
 public:
  Grids(uint64_t rows, uint64_t groups) : groups_(groups), grids_(rows * groups) {}
  Grid& at(uint64_t row, uint64_t group) { return grids_[row * groups_ + group]; }

 private:
  uint64_t groups_;
  std::vector<Grid> grids_;  // [rows of the range][groups]
};

class RoundToNearest final : public Baseline {
 public:
  RoundToNearest(unsigned bits, uint64_t group)
      : Baseline(kRowsTogether), bits_(bits), largest_(static_cast<float>((1u << bits) - 1)), group_(group) {}

  double stored_bits(const WeightMatrix& w) const override {
    const double grids = static_cast<double>(w.matrices * w.rows * groups_of(w.columns));
    return static_cast<double>(w.elements()) * bits_ + grids * (16 + bits_);
  }

  std::unique_ptr<StripeState> begin(const WeightMatrix& w, const StripeRange& range) const override {
    const uint64_t first = range.first * chunk_length(), rows = std::min(w.rows - first, range.count * chunk_length());
    auto grids = std::make_unique<Grids>(range.count * chunk_length(), groups_of(w.columns));
    for (uint64_t r = 0; r < rows; ++r) {
      for (uint64_t g = 0; g < groups_of(w.columns); ++g) {
        float least = 0, most = 0;
        for (uint64_t k = g * width(w.columns); k < std::min(w.columns, (g + 1) * width(w.columns)); ++k) {
          const float value = w.at(w.index_of(range.matrix, first + r, k));
          least = std::min(least, value);
          most = std::max(most, value);
        }
        const float step = float_from_half(half_from_float((most - least) / largest_));
        grids->at(r, g) = {step, step > 0 ? std::nearbyint(-least / step) : 0.0f};
      }
    }
    return grids;
  }

  void quantise(const ChunkBatch& batch, StripeState* state, Isa, QuantiserScratch& scratch) const override {
    Grids& grids = static_cast<Grids&>(*state);  // begin() made it
    scratch.decoded.resize(chunk_length() * batch.stride);
    const uint64_t group = group_ == 0 ? 0 : *batch.column / group_;
    for (unsigned j = 0; j < chunk_length(); ++j) {
      for (uint32_t i = 0; i < batch.chunks; ++i) {
        const size_t at = j * batch.stride + i;
        const Grid grid = grids.at(uint64_t{i} * chunk_length() + j, group);
        const float q = grid.step > 0 ? std::nearbyint(scratch.chunks[at] / grid.step) + grid.zero : 0.0f;
        scratch.decoded[at] = grid.step > 0 ? (std::clamp(q, 0.0f, largest_) - grid.zero) * grid.step : 0.0f;
      }
    }
  }

 private:
  uint64_t width(uint64_t columns) const { return group_ == 0 ? std::max<uint64_t>(1, columns) : group_; }
  uint64_t groups_of(uint64_t columns) const { return (columns + width(columns) - 1) / width(columns); }

  unsigned bits_;
  float largest_;
  uint64_t group_;  // columns; 0: all
};

}  // namespace

Result<std::unique_ptr<const Baseline>> make_round_to_nearest(BaselineParameters& parameters) {
  NWC_ASSIGN_OR_RETURN(const uint64_t bits, parameters.take("bits", 4, 1, 8));
  NWC_ASSIGN_OR_RETURN(const uint64_t group, parameters.take("group", 128, 0, 1u << 20));
  return std::unique_ptr<const Baseline>(std::make_unique<RoundToNearest>(static_cast<unsigned>(bits), group));
}

}  // namespace nwc
