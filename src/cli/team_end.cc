#include "cli/team_end.h"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

#include "cli/terminal.h"

namespace nwc::cli {

Status end_all(Team& team, Error error) {
  if (team.size() > 1) {
    fmt::print(stderr, "{}\n", printable(fmt::format("nwcodec: rank {}: {}", team.rank(), error.to_string())));
    std::fflush(stderr);
    team.abort();
  }
  return error;
}

}  // namespace nwc::cli
