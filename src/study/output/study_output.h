// Where a study's files go.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "nwcodec/result.h"

namespace nwc {

// A directory for a study's files, created if need be; other files in it stay. Each file appears whole or not at all.
class StudyOutput {
 public:
  // Before the work begins: errors are kExists if one of `names` is there (unless `force`), kIo.
  static Result<StudyOutput> open(const std::filesystem::path& directory, const std::vector<std::string>& names,
                                  bool force);
  Status write(const std::string& name, const std::string& text) const;
  std::filesystem::path path_of(const std::string& name) const { return directory_ / name; }

 private:
  explicit StudyOutput(std::filesystem::path directory) : directory_(std::move(directory)) {}
  std::filesystem::path directory_;
};

}  // namespace nwc
