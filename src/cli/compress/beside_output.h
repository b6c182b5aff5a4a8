// Directories that `compress` and `recompress` keep beside their output until it is finished: a calibration, a model
// that is still to be polished. What stands there without being theirs is the user's, and is neither written over nor
// removed.
#pragma once

#include <filesystem>
#include <string_view>

#include "compress/compress.h"
#include "nwcodec/result.h"

namespace nwc::cli {

// Errors: kExists for a directory that no run of ours has left there and that has a file, at its top level, that a run
// would replace: any, or those that `replaced` names.
Status check_ours(const std::filesystem::path& directory, bool (*replaced)(std::string_view file_name) = nullptr);

// So that a later run knows it for ours. To be called when a run that has written there is finished; until then its
// marker says so. Errors: kIo.
Status mark_as_ours(const std::filesystem::path& directory);
// Removes a calibration that is marked, and the directory if nothing else is in it. Errors: kIo.
Status remove_our_calibration(const std::filesystem::path& directory);

// Somebody else's directory, and a process at work in the output, are told of before hours of work, not after. Errors:
// those of ResumableDirectory::lock().
Status check_output(const CompressOptions& options);

}  // namespace nwc::cli
