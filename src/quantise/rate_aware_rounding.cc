#include "quantise/rate_aware_rounding.h"

#include <vector>

namespace nwc {

void RateAwareRounding::round(const ColumnTask& task, int32_t* integers) const {
  std::vector<float> moves(task.rows, 0.0f);
  if (task.moves != nullptr) moves.assign(task.moves, task.moves + task.rows);
  for (uint32_t r = task.rows; r-- > 0;) {
    const float factor = task.factors != nullptr ? task.factors[r] : 1.0f;
    const float x = in_steps(task.base[r] + moves[r], task.scale, factor);
    integers[r] = (*this)(x, task.contexts[r * task.context_stride]);
    if (task.coefficients == nullptr) continue;
    const float left = task.base[r] - static_cast<float>(integers[r]) * task.scale * factor;
    const float* const of_row = task.coefficients + r * task.coefficient_stride;
    for (uint32_t above = 0; above < r; ++above) moves[above] += left * of_row[above];
  }
}

}  // namespace nwc
