#include "checkpoint/output_directory.h"

#include <system_error>
#include <utility>

#include "base/file.h"
#include "checkpoint/index.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMarkerName = ".nwcodec-unfinished";
constexpr uint64_t kMaxMarker = 4096;

Error io_error(const char* what, const fs::path& path, const std::error_code& why) {
  return Error(ErrorCode::kIo, std::string(what) + ": " + why.message()).in_file(path.string());
}

// The files that make a directory a checkpoint, and what an interrupted run left.
bool is_checkpoint_file(const std::string& name) {
  return name == kMarkerName || name == kWorkFolder || name == kIndexFileName || name == kCodecFileName ||
         name.ends_with(".partial") || (name.starts_with("model") && name.ends_with(".safetensors"));
}

// Nothing, or only what a run leaves that was killed while it wrote its marker.
bool holds_nothing(const fs::path& directory) {
  std::error_code error;
  const std::string half_marker = "." + std::string(kMarkerName) + ".partial";
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    if (entry.path().filename() != half_marker) return false;
  }
  return !error;
}

Status remove_entries(const fs::path& directory, bool only_checkpoint_files) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    if (only_checkpoint_files && !is_checkpoint_file(entry.path().filename().string())) continue;
    std::error_code why;
    fs::remove_all(entry.path(), why);
    if (why) return io_error("cannot remove", entry.path(), why);
  }
  if (error) return io_error("cannot list", directory, error);
  return {};
}

}  // namespace

Result<OutputDirectory> OutputDirectory::open(const fs::path& path, const fs::path& input,
                                              const std::string& fingerprint, bool force) {
  std::error_code error;
  OutputDirectory out;
  out.path_ = path;
  if (fs::equivalent(path, input, error)) {
    return Error(ErrorCode::kInvalidArgument, "is the input directory too")
        .in_file(path.string())
        .remedy("choose another output directory");
  }
  const fs::path marker = path / kMarkerName;
  if (!fs::exists(path, error)) {
    fs::create_directories(path, error);
    if (error) return io_error("cannot create", path, error);
    out.created_ = out.was_empty_ = true;
  } else if (!fs::is_directory(path, error)) {
    return Error(ErrorCode::kExists, "exists and is not a directory")
        .in_file(path.string())
        .remedy("choose another output directory");
  } else if (holds_nothing(path)) {
    out.was_empty_ = true;
  } else if (force) {
    NWC_RETURN_IF_ERROR(remove_entries(path, /*only_checkpoint_files=*/true));
  } else {
    const Result<std::string> found = read_text_file(marker, kMaxMarker);
    if (found && *found == fingerprint) {
      out.resumed_ = out.worth_keeping_ = true;
    } else if (found) {
      return Error(ErrorCode::kExists, "holds an unfinished run with other arguments or inputs")
          .in_file(path.string())
          .remedy("repeat that run to finish it, or start anew with --force");
    } else {
      return Error(ErrorCode::kExists, "output directory exists and is not empty")
          .in_file(path.string())
          .remedy("choose another one, or pass --force");
    }
  }
  out.active_ = true;
  if (!out.resumed_) NWC_RETURN_IF_ERROR(write_file(marker, fingerprint));
  return out;
}

OutputDirectory& OutputDirectory::operator=(OutputDirectory&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(active_, other.active_);
  std::swap(created_, other.created_);
  std::swap(was_empty_, other.was_empty_);
  std::swap(resumed_, other.resumed_);
  std::swap(worth_keeping_, other.worth_keeping_);
  return *this;
}

OutputDirectory::~OutputDirectory() {
  if (!active_ || worth_keeping_ || !was_empty_) return;
  (void)remove_entries(path_, /*only_checkpoint_files=*/false);
  std::error_code ignored;
  if (created_) fs::remove(path_, ignored);
}

bool OutputDirectory::has_from_earlier_run(const std::string& file_name) const {
  std::error_code error;
  return resumed_ && fs::is_regular_file(path_ / file_name, error);
}

Status OutputDirectory::finish() {
  std::error_code error;
  fs::remove(path_ / kMarkerName, error);
  if (error) return io_error("cannot remove", path_ / kMarkerName, error);
  active_ = false;
  return {};
}

}  // namespace nwc
