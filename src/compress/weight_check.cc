#include "compress/weight_check.h"

#include <optional>
#include <vector>

#include "weights/lost_columns.h"
#include "weights/normalisation.h"
#include "weights/weight_matrix.h"

namespace nwc {

Result<WeightCheck> check_weights(const TensorView& tensor, bool stored_transposed, int threads) {
  NWC_ASSIGN_OR_RETURN(const WeightMatrix weights, WeightMatrix::load(tensor, stored_transposed, threads));
  NWC_ASSIGN_OR_RETURN(const std::vector<double> rms, column_rms(weights, {}, threads));
  WeightCheck check{.weights = weights.elements()};
  if (const std::optional<LostColumns> lost = find_lost_columns(weights, rms)) {
    check.obstacle = describe(*lost) + "; compress it when such weights are set right";
  }
  for (const double v : rms) check.squares += v * v * static_cast<double>(weights.rows);
  return check;
}

}  // namespace nwc
