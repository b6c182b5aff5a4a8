// QTIP (Tseng et al. 2024b): incoherence processing of both sides, then LDLQ over blocks of 16 columns, in which tiles
// of 16 x 16 weights are coded as one tail-biting path of 256 steps' weights through the bitshift trellis with 2^16
// states (L = 16), by the computed codes 1MAD and 3INST or the hybrid code HYB (V = 2, Q = 9). Weights are scaled to
// nine tenths of the code's deviation, as the authors' program does. Without fine-tuning. With no Hessians, tiles are
// coded without feedback.
#include <cmath>

#include "baselines/hybrid_code.h"
#include "baselines/one_mad_code.h"
#include "baselines/three_inst_code.h"
#include "guide/block_ldl.h"
#include "methods/block_feedback.h"
#include "methods/incoherence.h"
#include "methods/input_groups.h"

namespace nwc {
namespace {

constexpr uint64_t kTile = 16, kSequence = kTile * kTile;
constexpr uint64_t kRowsTogether = 64;  // tiles side by side share the look at the code
constexpr double kScale = 0.9;

// Fitted once a process.
const HybridCodebook& codebook() {
  static const HybridCodebook fitted = fit_hybrid_codebook(Source::kGaussian, kQtipCodebookBits, 1);
  return fitted;
}

double deviation_of(const BitshiftTrellis& trellis) {
  double squares = 0;
  for (const float v : trellis.code) squares += static_cast<double>(v) * v;
  return std::sqrt(squares / static_cast<double>(trellis.code.size()));
}

class Qtip final : public MatrixMethod {
 public:
  Qtip(BitshiftTrellis trellis, unsigned bits, bool feedback, double shared_bits)
      : trellis_(std::move(trellis)),
        deviation_(deviation_of(trellis_)),
        bits_(bits),
        feedback_(feedback),
        shared_bits_(shared_bits) {}

  bool needs_hessians() const override { return feedback_; }
  double shared_bits() const override { return shared_bits_; }

  Result<QuantisedMatrix> quantise_matrix(const MatrixTask& task, const HessianView* hessian,
                                          int threads) const override {
    const uint64_t rows = task.rows, n = task.columns;
    NWC_ASSIGN_OR_RETURN(const IncoherentMatrix matrix, make_incoherent(task.weights, rows, n, task.seed,
                                                                        feedback_ ? hessian : nullptr, kTile, threads));
    const float scale = static_cast<float>(matrix.rms / (deviation_ * kScale));
    std::vector<ViterbiScratch> scratch(static_cast<size_t>(std::max(1, threads)));
    std::vector<float> decoded = quantise_by_blocks(
        matrix.weights, rows, n, matrix.factor ? &*matrix.factor : nullptr, kTile, kRowsTogether, threads,
        [&](const ColumnBlock& block) { code_tiles(block, scale, scratch[static_cast<size_t>(block.worker)]); });
    transform_back(decoded, matrix.outputs, matrix.inputs, threads);
    const uint64_t tiles = ((rows + kTile - 1) / kTile) * ((n + kTile - 1) / kTile);
    // A sign for each row and column, and the scale in F32.
    return QuantisedMatrix{std::move(decoded), static_cast<double>(tiles * kSequence * bits_ + rows + n + 32)};
  }

 private:
  // Weights of a tile row by row; those outside the matrix are 0.
  void code_tiles(const ColumnBlock& block, float scale, ViterbiScratch& scratch) const {
    const uint64_t tiles = (block.rows + kTile - 1) / kTile;
    std::vector<float> sequences(tiles * kSequence, 0.0f);
    for (uint64_t r = 0; r < block.rows; ++r) {
      for (uint64_t c = 0; c < block.columns; ++c)
        sequences[r * kTile + c] = scale > 0 ? block.target[c * block.rows + r] / scale : 0.0f;
    }
    const std::vector<TrellisPath> paths = tail_biting_paths(trellis_, sequences, kSequence, scratch);
    for (uint64_t r = 0; r < block.rows; ++r) {
      const TrellisPath& path = paths[r / kTile];
      for (uint64_t c = 0; c < block.columns; ++c) {
        const uint64_t at = r % kTile * kTile + c;
        block.decoded[c * block.rows + r] =
            scale * trellis_.value(path.states[at / trellis_.values], static_cast<unsigned>(at % trellis_.values));
      }
    }
  }

  BitshiftTrellis trellis_;
  double deviation_;
  unsigned bits_;
  bool feedback_;
  double shared_bits_;
};

}  // namespace

Result<std::unique_ptr<const Method>> make_qtip(MethodParameters& parameters, double bits) {
  NWC_ASSIGN_OR_RETURN(const std::string code, parameters.choice("code", {"hyb", "1mad", "3inst"}));
  NWC_ASSIGN_OR_RETURN(const uint64_t states, parameters.whole("states", 16, 10, 16));
  NWC_ASSIGN_OR_RETURN(const bool feedback, parameters.flag("feedback", true));
  NWC_ASSIGN_OR_RETURN(const unsigned whole, whole_bits(bits, 1, 4));
  const unsigned state_bits = static_cast<unsigned>(states);
  double shared_bits = 0;
  BitshiftTrellis trellis;
  if (code == "1mad") {
    trellis = one_mad_code(state_bits, whole);
  } else if (code == "3inst") {
    trellis = three_inst_code(state_bits, whole);
  } else {
    trellis = hybrid_code(codebook(), state_bits, whole);
    shared_bits = 16.0 * 2 * (1 << kQtipCodebookBits);  // the codebook, in F16
  }
  return std::unique_ptr<const Method>(std::make_unique<Qtip>(std::move(trellis), whole, feedback, shared_bits));
}

}  // namespace nwc
