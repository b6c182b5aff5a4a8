// Round to nearest on integer grids, one for each group of neighbouring columns of a row, from the group's least weight
// to its greatest. Without data; with feedback=1 the columns make up for each other's errors by our LDLQ, on the same
// grids.
#include "guide/block_ldl.h"
#include "methods/grid_quantiser.h"
#include "methods/input_groups.h"
#include "methods/method.h"
#include "quantise/feedback.h"

namespace nwc {
namespace {

class RoundToNearest final : public MatrixMethod {
 public:
  RoundToNearest(const GridOptions& grid, uint64_t group, bool feedback)
      : grid_(grid), group_(group), feedback_(feedback), quantiser_(grid, group) {}

  bool needs_hessians() const override { return feedback_; }

  Result<QuantisedMatrix> quantise_matrix(const MatrixTask& task, const HessianView* hessian, int) const override {
    const WeightMatrix& w = task.tensor;
    std::optional<FeedbackFactor> factor;
    if (feedback_) {
      const std::vector<double> same(w.columns, 1.0);
      NWC_ASSIGN_OR_RETURN(factor, factorise_with(*hessian, same, {}, 1, nullptr));
    }
    const WeightScales scales{.columns = std::vector<float>(w.matrices * w.columns, 1.0f)};
    const uint64_t length = quantiser_.chunk_length();
    QuantisedStripes stripes = quantise_stripes({w, scales, {}, factor ? &*factor : nullptr, quantiser_},
                                                {task.matrix, 0, (w.rows + length - 1) / length});
    stripes.decoded.resize(w.rows * w.columns);
    return QuantisedMatrix{std::move(stripes.decoded), grid_bits(w.rows, w.columns, group_, grid_)};
  }

 private:
  GridOptions grid_;
  uint64_t group_;
  bool feedback_;
  GridQuantiser quantiser_;
};

}  // namespace

Result<std::unique_ptr<const Method>> make_round_to_nearest(MethodParameters& parameters, double bits) {
  NWC_ASSIGN_OR_RETURN(const uint64_t group, parameters.whole("group", 128, 0, 1u << 20));
  NWC_ASSIGN_OR_RETURN(const bool symmetric, parameters.flag("symmetric", false));
  NWC_ASSIGN_OR_RETURN(const bool feedback, parameters.flag("feedback", false));
  NWC_ASSIGN_OR_RETURN(const unsigned whole, whole_bits(bits, 1, 8));
  return std::unique_ptr<const Method>(
      std::make_unique<RoundToNearest>(GridOptions{whole, symmetric}, group, feedback));
}

}  // namespace nwc
