// Where a training stands, on disk, so that an interrupted run goes on to the same bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "nwcodec/result.h"

namespace nwc {

struct TrainingState {
  int64_t step = 0;                         // steps done
  std::vector<float> theta, first, second;  // Adam's means of gradients and of their squares
  std::vector<float> best;                  // the theta that was best on held-out text; empty: none was better
  double before = 0, best_divergence = 0;   // of no theta, and of the best
  int64_t setbacks = 0;                     // measurements that were worse than the best, since then
  double rate_share = 1;                    // of the rate asked for
};

// Atomic. `run` is the digest of the run's identity. Errors: kIo.
Status write_state(const std::filesystem::path& path, const TrainingState& state, const std::string& run);
// Errors: kNotFound; kMismatch for another run's, or vectors that are not of `count` numbers; kCorrupt.
Result<TrainingState> read_state(const std::filesystem::path& path, size_t count, const std::string& run);

}  // namespace nwc
