#include "quantise/two_sided_feedback.h"

#include <algorithm>
#include <array>

#include "base/aligned.h"
#include "base/parallel.h"
#include "quantise/feedback_kernel.h"

namespace nwc {
namespace {

constexpr uint64_t kRows = kTwoSidedRows, kColumns = 64;  // of a block

struct Sums {
  double squared_error = 0, normalised_squared_error = 0, squared_weight = 0, weighted_error = 0;
};

class TwoSidedPass {
 public:
  TwoSidedPass(const StripeTask& task, const FeedbackFactor& rows, const ColumnRounding& rounding, uint64_t matrix,
               QuantisedStripes& result)
      : task_(task),
        rows_(rows),
        rounding_(rounding),
        matrix_(matrix),
        result_(result),
        row_blocks_((task.weights.rows + kRows - 1) / kRows),
        column_blocks_((task.weights.columns + kColumns - 1) / kColumns),
        errors_(row_blocks_ * kRows * task.weights.columns, 0.0f),
        left_(row_blocks_ * kRows * task.weights.columns, 0.0f),
        sums_(row_blocks_ * column_blocks_) {}

  // Block by block from the last rows and positions on; those that are as far from there wait for none of each other.
  void run(int threads) {
    const uint64_t waves = row_blocks_ == 0 || column_blocks_ == 0 ? 0 : row_blocks_ + column_blocks_ - 1;
    for (uint64_t wave = 0; wave < waves; ++wave) {
      const uint64_t first = wave < column_blocks_ ? 0 : wave - (column_blocks_ - 1),
                     last = std::min(wave, row_blocks_ - 1);
      parallel_for_or_throw(last - first + 1, threads, [&](size_t i, int) {
        const uint64_t from_below = first + i;
        quantise_block(row_blocks_ - 1 - from_below, column_blocks_ - 1 - (wave - from_below));
      });
    }
    for (const Sums& sums : sums_) {
      result_.squared_error += sums.squared_error;
      result_.normalised_squared_error += sums.normalised_squared_error;
      result_.squared_weight += sums.squared_weight;
      result_.weighted_error += sums.weighted_error;
    }
  }

 private:
  using Square = std::array<std::array<float, kRows>, kColumns>;  // [column][row] of a block

  // What rows below the block feed back to it.
  void feedback_from_below(uint64_t first_row, uint64_t rows, uint64_t begin, uint64_t end, Square& moves) const {
    const uint64_t n = task_.weights.columns;
    std::array<float, kColumns> of_row;
    for (uint64_t r = 0; r < rows; ++r) {
      of_row.fill(0.0f);
      add_weighted_columns(left_.data() + begin, n, rows_.row(first_row + r), first_row + rows, task_.weights.rows,
                           of_row.data(), end - begin, isa_);
      for (uint64_t c = 0; c < end - begin; ++c) moves[c][r] = of_row[c];
    }
  }

  void contexts_of(uint64_t first_row, uint64_t rows, uint64_t column, std::span<Context> contexts) const {
    const unsigned length = task_.quantiser.chunk_length(), level = task_.levels.empty() ? 0 : task_.levels[column];
    for (uint64_t r = 0; r < rows; r += length) {
      task_.contexts->of_chunk({matrix_, level, (first_row + r) / length, static_cast<uint32_t>(column)},
                               contexts.subspan(r, length));
    }
  }

  void quantise_block(uint64_t row_block, uint64_t column_block) {
    const WeightMatrix& w = task_.weights;
    const uint64_t n = w.columns, first_row = row_block * kRows, rows = std::min(kRows, w.rows - first_row),
                   begin = column_block * kColumns, end = std::min(n, begin + kColumns);
    // Paths of a trellis go on through the rows that pad the last chunk, which want nothing and move nothing.
    const uint64_t path_rows = rounding_.trellis() != nullptr ? kRows : rows;
    Square moves{}, coefficients{};  // coefficients: [row below][row]
    feedback_from_below(first_row, rows, begin, end, moves);
    std::array<float, kRows> factors{};
    for (uint64_t r = 0; r < rows; ++r) {
      factors[r] = task_.scales.row_factor(matrix_ * w.rows + first_row + r);
      for (uint64_t below = r + 1; below < rows; ++below)
        coefficients[below][r] = rows_.row(first_row + r)[first_row + below];
    }
    float* const errors = errors_.data() + row_block * kRows * n;  // [position][kRows]
    std::array<Context, kRows> contexts;
    std::array<float, kRows> base;
    std::array<int32_t, kRows> integers;
    Sums& sums = sums_[row_block * column_blocks_ + column_block];
    for (uint64_t position = end; position-- > begin;) {
      const uint64_t k = task_.factor->order[position];
      const float scale = task_.scales.columns[matrix_ * n + k];
      contexts_of(first_row, rows, k, contexts);
      float* const error = errors + position * kRows;
      for (uint64_t r = 0; r < kRows; ++r) {
        error[r] = r < rows ? w.at(w.index_of(matrix_, first_row + r, k)) : 0.0f;
        base[r] = error[r];
      }
      add_weighted_columns(errors, kRows, task_.factor->row(position), position + 1, n, base.data(), kRows, isa_);
      rounding_.round({.rows = static_cast<uint32_t>(path_rows),
                       .base = base.data(),
                       .moves = moves[position - begin].data(),
                       .scale = scale,
                       .factors = factors.data(),
                       .contexts = contexts.data(),
                       .coefficients = coefficients[0].data(),
                       .coefficient_stride = kRows},
                      integers.data());
      for (uint64_t r = rows; r < path_rows; ++r) result_.symbols[(first_row + r) * n + k] = integers[r];
      for (uint64_t r = rows; r-- > 0;) {
        const float decoded = static_cast<float>(integers[r]) * scale * factors[r];
        const float left = base[r] - decoded;
        left_[(first_row + r) * n + position] = left;
        result_.symbols[(first_row + r) * n + k] = integers[r];
        const double original = error[r], wrong = original - decoded, unit = static_cast<double>(scale) * factors[r];
        error[r] = static_cast<float>(wrong);
        sums.squared_error += wrong * wrong;
        sums.squared_weight += original * original;
        if (unit > 0) sums.normalised_squared_error += wrong * wrong / (unit * unit);
        sums.weighted_error += task_.factor->pivots[position] * static_cast<double>(left) * left;
      }
    }
  }

  const StripeTask& task_;
  const FeedbackFactor& rows_;
  const ColumnRounding& rounding_;
  const uint64_t matrix_;
  QuantisedStripes& result_;
  const uint64_t row_blocks_, column_blocks_;
  const Isa isa_ = current_isa();
  AlignedVector<float> errors_;  // e: [block of rows][position][kRows]
  AlignedVector<float> left_;    // v: [row][position]
  std::vector<Sums> sums_;       // [block of rows][block of columns], added in order
};

}  // namespace

QuantisedStripes quantise_two_sided(const StripeTask& task, const FeedbackFactor& rows, const ColumnRounding& rounding,
                                    uint64_t matrix, int threads) {
  const unsigned length = task.quantiser.chunk_length();
  const uint64_t stripes = (task.weights.rows + length - 1) / length;
  QuantisedStripes result{.first_stripe = 0, .stripes = stripes, .columns = task.weights.columns, .latents = length};
  result.symbols.assign(stripes * length * task.weights.columns, 0);
  TwoSidedPass(task, rows, rounding, matrix, result).run(threads);
  return result;
}

}  // namespace nwc
