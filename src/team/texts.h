// Texts that the processes of a team tell each other.
#pragma once

#include <string>
#include <vector>

#include "nwcodec/result.h"
#include "team/team.h"

namespace nwc {

// Every rank's text, in the order of the ranks, for all of them. For messages: eight times as many bytes travel.
// Errors: those of the team.
Result<std::vector<std::string>> texts_of_all(const std::string& mine, Team& team);

}  // namespace nwc
