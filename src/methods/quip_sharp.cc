// QuIP# (Tseng et al. 2024a): incoherence processing of both sides, then LDLQ over blocks of 8 columns, whose 8 weights
// of a row are the nearest point of E8P at 2 bits; at 3 bits what that leaves over is coded by the 256 shortest points
// of E8, at 4 bits by E8P again. Scales are the authors'. Without fine-tuning. With no Hessians, without feedback.
#include <cmath>

#include "baselines/e8p_code.h"
#include "guide/block_ldl.h"
#include "methods/block_feedback.h"
#include "methods/incoherence.h"
#include "methods/input_groups.h"

namespace nwc {
namespace {

constexpr uint64_t kRowsTogether = 64;

class QuipSharp final : public MatrixMethod {
 public:
  QuipSharp(unsigned bits, bool feedback) : bits_(bits), feedback_(feedback) {}
  bool needs_hessians() const override { return feedback_; }

  Result<QuantisedMatrix> quantise_matrix(const MatrixTask& task, const HessianView* hessian,
                                          int threads) const override {
    const uint64_t rows = task.rows, n = task.columns;
    NWC_ASSIGN_OR_RETURN(
        const IncoherentMatrix matrix,
        make_incoherent(task.weights, rows, n, task.seed, feedback_ ? hessian : nullptr, kE8Dimensions, threads));
    const float scale = static_cast<float>(matrix.rms / e8p_scale(bits_));
    std::vector<float> decoded = quantise_by_blocks(
        matrix.weights, rows, n, matrix.factor ? &*matrix.factor : nullptr, kE8Dimensions, kRowsTogether, threads,
        [&](const ColumnBlock& block) {
          float x[kE8Dimensions], y[kE8Dimensions];
          for (uint64_t r = 0; r < block.rows; ++r) {
            for (uint64_t c = 0; c < kE8Dimensions; ++c)
              x[c] = c < block.columns && scale > 0 ? block.target[c * block.rows + r] / scale : 0.0f;
            code_.quantise(x, bits_, y);
            for (uint64_t c = 0; c < block.columns; ++c) block.decoded[c * block.rows + r] = scale * y[c];
          }
        });
    transform_back(decoded, matrix.outputs, matrix.inputs, threads);
    const uint64_t vectors = rows * ((n + kE8Dimensions - 1) / kE8Dimensions);
    // A sign for each row and column, and the scale in F32.
    return QuantisedMatrix{std::move(decoded), static_cast<double>(vectors * kE8Dimensions * bits_ + rows + n + 32)};
  }

 private:
  E8pCode code_;
  unsigned bits_;
  bool feedback_;
};

}  // namespace

Result<std::unique_ptr<const Method>> make_quip_sharp(MethodParameters& parameters, double bits) {
  NWC_ASSIGN_OR_RETURN(const bool feedback, parameters.flag("feedback", true));
  NWC_ASSIGN_OR_RETURN(const unsigned whole, whole_bits(bits, 2, 4));
  return std::unique_ptr<const Method>(std::make_unique<QuipSharp>(whole, feedback));
}

}  // namespace nwc
