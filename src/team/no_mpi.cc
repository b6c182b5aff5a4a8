// The program without MPI.
#include "team/launcher.h"
#include "team/team.h"

namespace nwc {

Result<std::unique_ptr<Team>> join_team() {
  if (launched_processes() > 1) {
    return Error(ErrorCode::kUnsupported, "was built without MPI, but an MPI launcher started " +
                                              std::to_string(launched_processes()) + " processes")
        .remedy("start it alone, or build it where CMake finds MPI (libopenmpi-dev)");
  }
  return make_solo_team();
}

}  // namespace nwc
