// Warnings of several checkpoints in one list.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace nwc::cli {

// Appends `warnings`, each after its checkpoint's path, to `list`.
void append_notes(const std::filesystem::path& checkpoint, const std::vector<std::string>& warnings,
                  std::vector<std::string>& list);

}  // namespace nwc::cli
