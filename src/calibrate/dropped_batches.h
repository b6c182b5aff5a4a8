// Batches that a calibration leaves out on the way back, since their gradients are not finite.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>

#include "calibrate/calibrate.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"
#include "team/team.h"

namespace nwc {

// Of all lanes of this process; settle() makes it those of all processes. At most 1 % of the batches may be left out.
// drop() is thread-safe.
class DroppedBatches {
 public:
  // `batches`: of all lanes of all processes.
  DroppedBatches(size_t batches, const Checkpoint& checkpoint, CalibrateReport& report)
      : batches_(batches), checkpoint_(checkpoint), report_(report) {}

  // `what` is not finite: "the gradient of the output is not finite in sequence 3 of text". Errors: kNonFinite if these
  // are too many.
  Status drop(size_t batch, const std::string& what);
  // After a stage, in every process: counts what its lanes have dropped, in the order of the batches, and tells the
  // leading process's report. Errors: kNonFinite; those of the team.
  Status settle(Team& team);

 private:
  Status check(size_t dropped, const std::string& what) const;

  size_t batches_;
  const Checkpoint& checkpoint_;
  CalibrateReport& report_;
  std::mutex mutex_;
  std::map<size_t, std::string> since_;  // of this stage
};

}  // namespace nwc
