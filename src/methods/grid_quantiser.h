// Rounding to the nearest point of integer grids, one for each group of neighbouring columns of a row, as a body of
// quantise/quantiser.h: without a factor it is round to nearest; with one, run by quantise/feedback.h, it is LDLQ,
// which does what GPTQ with static groups does (Chee et al. 2023, Theorem 6).
#pragma once

#include <cstdint>
#include <memory>

#include "methods/integer_grid.h"
#include "quantise/quantiser.h"

namespace nwc {

class GridQuantiser final : public Quantiser {
 public:
  // `group`: columns; 0 means all.
  GridQuantiser(const GridOptions& options, uint64_t group);
  std::unique_ptr<StripeState> begin(const WeightMatrix& w, const StripeRange& range) const override;
  void quantise(const ChunkBatch& batch, StripeState* state, Isa isa, QuantiserScratch& scratch) const override;

 private:
  GridOptions options_;
  uint64_t group_;
};

}  // namespace nwc
