// Says how a checkpoint's directory is read where that is not plain from its files.
#pragma once

#include <filesystem>

namespace nwc::cli {

class ProgressLine;

// A warning for each of the checkpoint's notes (nwcodec/checkpoint.h) and of the weight files that nobody reads. Says
// nothing of a checkpoint that cannot be opened: whoever needs it will.
void note_how_it_is_read(const std::filesystem::path& checkpoint, ProgressLine& line);

}  // namespace nwc::cli
