#include "study/output/study_output.h"

#include "base/file.h"

namespace nwc {

Result<StudyOutput> StudyOutput::open(const std::filesystem::path& directory, const std::vector<std::string>& names,
                                      bool force) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error || !std::filesystem::is_directory(directory)) {
    return Error(ErrorCode::kIo, "cannot be made a directory" + (error ? ": " + error.message() : ""))
        .in_file(directory.string());
  }
  for (const std::string& name : names) {
    if (force || !std::filesystem::exists(directory / name, error)) continue;
    return Error(ErrorCode::kExists, "is already there")
        .in_file((directory / name).string())
        .remedy("use --force to overwrite it");
  }
  return StudyOutput(directory);
}

Status StudyOutput::write(const std::string& name, const std::string& text) const {
  return write_file(directory_ / name, text);
}

}  // namespace nwc
