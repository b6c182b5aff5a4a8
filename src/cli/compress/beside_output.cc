#include "cli/compress/beside_output.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <vector>

#include "base/file.h"
#include "calibrate/hessian_files.h"
#include "checkpoint/checkpoint_files.h"
#include "checkpoint/resumable_directory.h"

namespace nwc::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMark = ".nwcodec-beside";

}  // namespace

Status check_ours(const fs::path& directory, bool (*replaced)(std::string_view file_name)) {
  std::error_code ignored;
  if (!fs::exists(directory, ignored) || ResumableDirectory::is_unfinished(directory) ||
      fs::exists(directory / kMark, ignored))
    return {};
  if (fs::is_directory(directory, ignored)) {
    NWC_ASSIGN_OR_RETURN(const std::vector<std::string> names, list_directory(directory));
    const auto is_theirs = [&](const std::string& name) { return replaced == nullptr || replaced(name); };
    if (std::none_of(names.begin(), names.end(), is_theirs)) return {};
  }
  return Error(ErrorCode::kExists, "stands where this command keeps what it needs until its output is finished")
      .in_file(directory.string())
      .remedy("move it, or choose another output");
}

Status mark_as_ours(const fs::path& directory) {
  return write_file(directory / kMark, "left by a command that has not finished the output beside this directory\n");
}

Status remove_our_calibration(const fs::path& directory) {
  std::error_code ignored;
  fs::remove(directory / kMark, ignored);
  return remove_calibration(directory);
}

Status check_output(const CompressOptions& options) {
  const ResumableDirectory::Request request{.path = options.output, .inputs = {options.model}, .force = options.force};
  const Result<ResumableDirectory> output = ResumableDirectory::lock(request);
  return output ? Status() : Status(output.error());
}

}  // namespace nwc::cli
