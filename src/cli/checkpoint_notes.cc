#include "cli/checkpoint_notes.h"

#include "cli/terminal.h"
#include "nwcodec/checkpoint.h"

namespace nwc::cli {

void note_how_it_is_read(const std::filesystem::path& checkpoint, ProgressLine& line) {
  const Result<Checkpoint> opened = Checkpoint::open(checkpoint);
  if (!opened) return;
  for (const std::string& note : opened->notes()) line.note("warning: " + note);
  for (const std::string& file : opened->unread_files())
    line.note("warning: " + printable(file) + " is not read: weights that are not part of the checkpoint");
}

}  // namespace nwc::cli
