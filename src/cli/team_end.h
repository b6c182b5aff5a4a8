// How a command ends whose processes work together.
#pragma once

#include "nwcodec/result.h"
#include "team/team.h"

namespace nwc::cli {

// Of several processes, one that fails prints its error, with its rank, and ends all, which may be waiting for it. A
// process that is alone returns the error.
Status end_all(Team& team, Error error);

}  // namespace nwc::cli
