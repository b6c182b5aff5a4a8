// How the processes of a team begin a calibration together. Private to src/calibrate.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <vector>

#include "calibrate/calibrate.h"
#include "calibrate/hessian_files.h"
#include "checkpoint/run_identity.h"
#include "team/team.h"

namespace nwc {

// The devices of this process. Errors: kInvalidArgument if they would not round alike.
Result<std::vector<ModelDevice>> devices_of(const CalibrateOptions& options);

// Of the leading process, which alone writes; none for the others. Errors: those of lock_hessians().
Result<std::optional<ResumableDirectory>> lock_output(const CalibrateOptions& options, const Team& team);

// Begins the run in the leading process. `output`: as lock_output() has returned it. Errors: those of
// ResumableDirectory::begin(); kMismatch if a process would compute something else than the leading one, or on another
// class of machines; those of the team.
Status begin_together(std::optional<ResumableDirectory>& output, const RunIdentity& identity, Team& team);

// Then opens its files there, and tells the others what is missing. Errors: those of the team.
Result<HessianFiles> open_together(std::optional<ResumableDirectory> output, size_t blocks, Json provenance, bool ends,
                                   Team& team);

}  // namespace nwc
