#include "cli/checkpoint_notes.h"

namespace nwc::cli {

void append_notes(const std::filesystem::path& checkpoint, const std::vector<std::string>& warnings,
                  std::vector<std::string>& list) {
  for (const std::string& warning : warnings) list.push_back(checkpoint.string() + ": " + warning);
}

}  // namespace nwc::cli
