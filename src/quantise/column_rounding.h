// Rounding of single weights, for codecs without a transform: what feedback along rows is written above.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "entropy/context.h"
#include "entropy/trellis.h"
#include "quantise/symbol_costs.h"

namespace nwc {

// Rows of a column, those of a block. A row aims at base + moves + what rows below it left over: `left * coefficients`,
// with left = base - decoded.
struct ColumnTask {
  uint32_t rows = 0;
  const float* base = nullptr;        // [rows]
  const float* moves = nullptr;       // [rows]: what rows below the block feed back; null: nothing
  float scale = 1;                    // of the column; a weight is integer * scale * factor
  const float* factors = nullptr;     // [rows]; null: all 1
  const Context* contexts = nullptr;  // of the rows, `context_stride` apart
  size_t context_stride = 1;
  const float* coefficients = nullptr;  // [row below][row], `coefficient_stride` apart; null: no feedback along rows
  size_t coefficient_stride = 0;
};

// Immutable; threads share it.
class ColumnRounding {
 public:
  explicit ColumnRounding(SymbolCosts costs) : costs_(std::move(costs)) {}
  virtual ~ColumnRounding() = default;
  const SymbolCosts& costs() const { return costs_; }
  // What integers follow, down the rows of a chunk; null: nothing.
  virtual const Trellis* trellis() const { return nullptr; }
  // integers[row] of all rows, from the last row on. With a trellis, the rows are those of one chunk.
  virtual void round(const ColumnTask& task, int32_t* integers) const = 0;

 private:
  SymbolCosts costs_;
};

// The number that a row's integer stands near.
inline float in_steps(float target, float scale, float factor) {
  return scale > 0 && factor > 0 ? target / scale / factor : 0.0f;
}

}  // namespace nwc
