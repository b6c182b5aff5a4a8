// How well each tensor of a compressed checkpoint is compressed (paper, Appendix D.2, Figure 14), beside ideal
// entropy-coded scalar quantisation of the same weights.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

struct TensorStudyOptions {
  std::filesystem::path model;       // the plain original
  std::filesystem::path compressed;  // made from it
  int threads = 0;                   // <= 0: all cores. Never changes the result
};

// Errors are of column-normalised weights: the column's scale is its root mean square (weights/normalisation.h),
// whatever gain the compression used, so that they compare across tensors and with the Gaussian bound. Columns of zeros
// count as no weights.
struct TensorQuality {
  std::string name, type;
  int64_t depth = -1;
  std::vector<uint64_t> shape;
  uint64_t weights = 0;     // of columns that are not zero
  double payload_bits = 0;  // tiles, per weight of the tensor
  double bits = 0;          // with the stream's header, index and tables, scales and levels
  double nmse = 0;          // squared error over squared weight, both normalised
  double ecsq_nmse = 0;     // of the uniform scalar quantiser (midpoints) whose zero-order entropy is payload_bits
  double ecsq_centroid_nmse = 0;  // the same with centroids instead of midpoints, which pays below 3 bits
  double largest_error = 0;       // in steps, one step being sqrt(12 * mean squared normalised error) of this tensor

  double over_ecsq() const;           // dB; below 0 is better than ideal ECSQ
  double over_ecsq_centroid() const;  // the same for ECSQ with centroids
  double gap() const;                 // dB over the Gaussian bound, at payload_bits
};

struct TensorStudyReport {
  std::vector<TensorQuality> tensors;  // by depth, then by name
};

// The scalar quantiser is fitted to at most 2^24 weights of a tensor, in whole columns, evenly spaced; errors are of
// all weights. Errors: those of reading; kInvalidArgument if `compressed` is not; kMismatch naming a tensor that the
// two do not share.
Result<TensorStudyReport> run_tensor_study(const TensorStudyOptions& options, const Progress& progress);

std::string tensor_study_csv(const TensorStudyReport& report);
// Distance from ideal ECSQ and largest error by depth, one curve per layer type.
std::string tensor_study_svg(const TensorStudyReport& report);

}  // namespace nwc
