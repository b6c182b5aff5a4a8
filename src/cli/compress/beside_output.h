// Directories that `compress` and `recompress` keep beside their output until it is finished: a calibration, a model
// that is still to be polished. What stands there without being theirs is the user's, and is neither written over nor
// removed.
#pragma once

#include <filesystem>
#include <string_view>

#include "nwcodec/result.h"

namespace nwc::cli {

// Errors: kExists for a directory that no run of ours has left there and that has a file, at its top level, that a run
// would replace: any, or those that `replaced` names.
Status check_ours(const std::filesystem::path& directory, bool (*replaced)(std::string_view file_name) = nullptr);

// So that a later run knows it for ours. To be called when a run that has written there is finished; until then its
// marker says so. Errors: kIo.
Status mark_as_ours(const std::filesystem::path& directory);
// Before the directory is removed, or left to the user.
void remove_mark(const std::filesystem::path& directory);

}  // namespace nwc::cli
