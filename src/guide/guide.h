// What calibration says about a tensor: how finely to quantise each column, and how to compensate for errors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "codec/encode/encoder.h"
#include "format/line_scales.h"
#include "guide/block_ldl.h"
#include "guide/importance.h"
#include "nwcodec/result.h"

namespace nwc {

// Everything empty: the data-free mode, all columns alike.
struct TensorGuide {
  std::vector<uint8_t> levels;       // importance level of each column, [matrices * columns]; empty: all 0
  std::vector<double> column_gains;  // column scales are divided by these, [matrices * columns]; empty: all 1
  // The steps of columns and rows instead of a normalisation's scales, [matrices * columns] and [matrices * rows], at
  // gain 1 (guide/sensitivity.h). Empty: the normalisation's.
  std::vector<double> column_steps, row_factors;
  // What a stream stores of them, with the base 1 / gain, and its table rule 1. None while only steps are asked for.
  std::optional<LineScales> lines;
  std::vector<std::shared_ptr<const FeedbackFactor>> feedback;  // for each matrix; empty: none
  // The same along rows, of the output side (guide/output_side.h); empty: rows do not see each other.
  std::vector<std::shared_ptr<const FeedbackFactor>> row_feedback;
};

enum class StepRule : uint8_t {
  kLevels,       // the paper: by quantiles of the sensitivity, among the codec's levels
  kWaterFill,    // steps inversely proportional to the root of the pivots of the LDL, by column gains; levels carry the
                 // coarse part
  kSensitivity,  // c / sqrt(D_j r_i), one c for the whole checkpoint (guide/sensitivity.h)
};

enum class Feedback : uint8_t {
  kNone,
  kColumns,   // columns make up for the errors of those before them (LDLQ)
  kTwoSided,  // rows as well, of tensors whose output side calibration kept; with kSensitivity only
};

// "none", "columns", "two-sided".
std::string_view name_of(Feedback feedback);

struct GuideOptions {
  StepRule steps = StepRule::kLevels;
  bool levels = true;  // with kLevels: importance levels at all
  Feedback feedback = Feedback::kColumns;
  double row_shrinkage = 0.2;  // with kTwoSided: of the output side towards its diagonal
  bool sort_columns = true;  // feedback begins with the columns whose errors cost most; otherwise with the last column
  ImportanceOptions importance;
  LdlOptions ldl;
};

// Whether shares, damping and block size are in range. Errors: kInvalidArgument.
Status check_options(const GuideOptions& options);

// A Hessian of one matrix: the lower triangle row by row (block_ldl.h).
struct HessianView {
  std::span<const float> triangle;
  uint64_t columns = 0;
};

class Factoriser;

// The LDL of one Hessian in the order that the options ask for, on the cores or on `device`. Errors: factorise()'s.
Result<FeedbackFactor> factorise_with(const HessianView& hessian, std::span<const double> column_rms,
                                      const GuideOptions& options, int threads, Factoriser* device);

// The guide of a tensor of `matrices` matrices with a Hessian each (or one for all). `column_rms`, [matrices *
// columns]: what column scales are made of, before gains. `device`: what factorises, and keeps the factors; null for
// the cores. Errors: those of check_options() and factorise(), and kMismatch for a Hessian of another width; they name
// no tensor.
Result<TensorGuide> make_guide(std::span<const HessianView> hessians, uint64_t matrices, uint64_t columns,
                               std::span<const double> column_rms, const LevelErrors& level_errors,
                               const GuideOptions& options, int threads, Factoriser* device = nullptr);

}  // namespace nwc
