// Weights themselves, as integers that follow a trellis (quantise/trellis_search.h).
#pragma once

#include "codec/encode/encoder.h"
#include "quantise/column_rounding.h"
#include "quantise/quantiser.h"

namespace nwc {

// A chunk's integers are a path of `trellis`, which must outlive it; tables in two halves, of even integers and of odd
// ones.
class TrellisRounding final : public ColumnRounding {
 public:
  TrellisRounding(const Trellis& trellis, const TableSet& tables, double rate_weight)
      : ColumnRounding(SymbolCosts(tables, rate_weight)),
        trellis_(trellis),
        odd_(static_cast<Context>(tables.size() / 2)) {}
  const Trellis* trellis() const override { return &trellis_; }
  void round(const ColumnTask& task, int32_t* integers) const override;

 private:
  const Trellis& trellis_;
  const Context odd_;
};

// For codecs with a trellis (codec/encode/plain_codec.h). The batch says which contexts its symbols have. Independent
// of the instruction set.
class TrellisQuantiser final : public Quantiser {
 public:
  // Refers to the encoder.
  TrellisQuantiser(const Encoder& encoder, double rate_weight);
  size_t stride_of(size_t chunks) const override { return chunks; }
  void quantise(const ChunkBatch& batch, StripeState* state, Isa isa, QuantiserScratch& scratch) const override;
  const ColumnRounding* one_by_one() const override { return &rounding_; }

 private:
  TrellisRounding rounding_;
};

}  // namespace nwc
