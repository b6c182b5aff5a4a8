// How heavy the tails of a checkpoint's weights are, and what transforms do to them (paper, Section 5.2, Table 1;
// Appendix D.1, Figure 13).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "study/moments.h"
#include "weights/selection.h"

namespace nwc {

struct StatisticsOptions {
  std::filesystem::path model;  // a plain checkpoint
  std::filesystem::path codec;  // whose latents are looked at
  SelectionOptions selection;
  // Of a tensor at most, in evenly spaced stripes of 16; scales of columns are always over all rows.
  uint64_t rows = 4096;
  uint64_t seed = 1;  // of rotations and signs
  int threads = 0;    // <= 0: all cores. Never changes the result
};

// The stages in which a tensor is measured, in this order in every report:
//   original                     the weights as they are
//   dct, rotation, hadamard      these after a transform: the DCT of chunks of 16 weights of a column
//                                (baselines/dct.h), a random rotation of the inputs in blocks of 256
//                                (baselines/rotation.h), a random Hadamard transform of the inputs
//   normalised                   each column over its scale; then "normalised-dct" and so on as above
//   latents                      of the codec's analysis transform at level 0, of the normalised weights
struct StageStatistics {
  std::string stage;
  Moments moments;
};

struct TensorStatistics {
  std::string name, type;
  int64_t depth = -1;
  std::vector<uint64_t> shape;
  uint64_t rows_used = 0;
  std::vector<StageStatistics> stages;
  // Precondition: one of the stages above.
  const Moments& at(const std::string& stage) const;
};

struct StatisticsReport {
  std::vector<TensorStatistics> tensors;  // by depth, then by name
};

// Memory: some three times the largest tensor in F32. Errors: those of reading; kNonFinite naming the weight;
// kInterrupted.
Result<StatisticsReport> run_statistics_study(const StatisticsOptions& options, const Progress& progress);

// One row per tensor and stage.
std::string statistics_csv(const StatisticsReport& report);
// Excess kurtosis (original, normalised, latents) and standard deviation by depth, one curve per layer type.
std::string statistics_svg(const StatisticsReport& report);

}  // namespace nwc
