#include "methods/block_feedback.h"

#include <algorithm>

#include "base/aligned.h"
#include "base/parallel.h"
#include "nwcodec/isa.h"
#include "quantise/feedback_kernel.h"

namespace nwc {

std::vector<float> quantise_by_blocks(const std::vector<float>& weights, uint64_t rows, uint64_t columns,
                                      const FeedbackFactor* factor, uint64_t block, uint64_t rows_together, int threads,
                                      const std::function<void(const ColumnBlock&)>& quantise) {
  std::vector<float> decoded(weights.size());
  const Isa isa = current_isa();
  parallel_for_or_throw((rows + rows_together - 1) / rows_together, threads, [&](size_t piece, int worker) {
    const uint64_t first = piece * rows_together, count = std::min(rows_together, rows - first);
    AlignedVector<float> errors(columns * count), target(block * count), made(block * count);
    for (uint64_t end = columns; end > 0;) {
      const uint64_t begin = (end - 1) / block * block;
      for (uint64_t k = begin; k < end; ++k) {
        float* const column = target.data() + (k - begin) * count;
        for (uint64_t r = 0; r < count; ++r) column[r] = weights[(first + r) * columns + k];
        if (factor != nullptr)
          add_weighted_columns(errors.data(), count, factor->row(k), end, columns, column, count, isa);
      }
      quantise({first, count, begin, end - begin, target.data(), made.data(), worker});
      for (uint64_t k = begin; k < end; ++k) {
        for (uint64_t r = 0; r < count; ++r) {
          const uint64_t at = (first + r) * columns + k;
          decoded[at] = made[(k - begin) * count + r];
          errors[k * count + r] = weights[at] - decoded[at];
        }
      }
      end = begin;
    }
  });
  return decoded;
}

}  // namespace nwc
