#include "checkpoint/resumable_directory.h"

#include <system_error>
#include <utility>

#include "base/file.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr int kCreateAttempts = 20;

Error io_error(const char* what, const fs::path& path, const std::error_code& why) {
  return Error(ErrorCode::kIo, std::string(what) + ": " + why.message()).in_file(path.string());
}

Error occupied(const fs::path& path) {
  return Error(ErrorCode::kExists, "output directory exists and is not empty")
      .in_file(path.string())
      .remedy("choose another one, or pass --force");
}

}  // namespace

Result<ResumableDirectory> ResumableDirectory::lock(Request request) {
  ResumableDirectory out;
  out.request_ = std::move(request);
  const fs::path& path = out.request_.path;
  std::error_code error;
  for (const fs::path& input : out.request_.inputs) {
    if (fs::equivalent(path, input, error)) {
      return Error(ErrorCode::kInvalidArgument, "is the input directory too")
          .in_file(path.string())
          .remedy("choose another output directory");
    }
  }
  for (int attempt = 0; !out.marker_; ++attempt) {
    if (!fs::exists(path, error)) {
      fs::create_directories(path, error);
      if (error) return io_error("cannot create", path, error);
      out.created_ = true;
    } else if (!fs::is_directory(path, error)) {
      return Error(ErrorCode::kExists, "exists and is not a directory")
          .in_file(path.string())
          .remedy("choose another output directory");
    } else if (!out.request_.force && !RunMarker::exists(path)) {
      // Not even a marker is put into a directory that is somebody else's.
      NWC_ASSIGN_OR_RETURN(const State state, out.look());
      if (state == State::kOccupied) return occupied(path);
    }
    Result<RunMarker> marker = RunMarker::lock(path);
    if (marker) {
      out.marker_ = *std::move(marker);
    } else if (marker.error().code() != ErrorCode::kNotFound || attempt == kCreateAttempts) {
      // Not found: another process that failed has just removed the directory.
      return std::move(marker).error();
    }
  }
  // Another process may have finished, or given up, before the lock was had.
  NWC_ASSIGN_OR_RETURN(const State state, out.look());
  out.was_empty_ = state == State::kEmpty;
  if (state == State::kOccupied && !out.request_.force) {
    NWC_RETURN_IF_ERROR(out.marker_->remove());
    out.marker_.reset();
    return occupied(path);
  }
  return out;
}

Status ResumableDirectory::begin(const RunIdentity& identity) {
  NWC_ASSIGN_OR_RETURN(const State state, look());
  const bool unfinished = state == State::kUnfinished;
  if (unfinished && !request_.force) {
    const std::string difference = RunIdentity::difference(marker_->identity(), identity.text());
    if (!difference.empty()) {
      return Error(ErrorCode::kExists, "holds an unfinished run that " + difference)
          .in_file(path().string())
          .remedy("repeat that run to finish it, or start anew with --force");
    }
    resumed_ = worth_keeping_ = true;
    return remove_temporary_files();
  }
  if (state != State::kEmpty) NWC_RETURN_IF_ERROR(remove_entries(/*everything=*/false));
  return marker_->write(identity.text());
}

Result<ResumableDirectory> ResumableDirectory::open(Request request, const RunIdentity& identity) {
  NWC_ASSIGN_OR_RETURN(ResumableDirectory out, lock(std::move(request)));
  NWC_RETURN_IF_ERROR(out.begin(identity));
  return out;
}

// Our own marker counts as nothing, unless a run has written its identity there.
Result<ResumableDirectory::State> ResumableDirectory::look() const {
  if (marker_ && !marker_->identity().empty()) return State::kUnfinished;
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> names, list_directory(path()));
  for (const std::string& name : names) {
    if (name != RunMarker::kFileName) return State::kOccupied;
  }
  return State::kEmpty;
}

Status ResumableDirectory::remove_entries(bool everything) const {
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> names, list_directory(path()));
  const std::string work = work_folder({}).string();
  const CheckpointFiles checkpoint = CheckpointFiles::of(path());
  const auto is_replaceable = [&](const std::string& name) {
    return request_.replaceable != nullptr ? request_.replaceable(name) : checkpoint.contains(name);
  };
  for (const std::string& name : names) {
    if (name == RunMarker::kFileName) continue;  // holds the lock
    if (!everything && name != work && !is_temporary_name(name) && !is_replaceable(name)) continue;
    std::error_code why;
    fs::remove_all(path() / name, why);
    if (why) return io_error("cannot remove", path() / name, why);
  }
  return {};
}

// What a run leaves behind that was killed while it wrote.
Status ResumableDirectory::remove_temporary_files() const {
  std::error_code why;
  constexpr auto kOptions = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator entry(path(), kOptions, why);
       !why && entry != fs::recursive_directory_iterator(); entry.increment(why)) {
    std::error_code failed;
    if (!is_temporary_name(entry->path().filename().string())) continue;
    fs::remove(entry->path(), failed);
    if (failed) return io_error("cannot remove", entry->path(), failed);
  }
  if (why) return io_error("cannot list the directory", path(), why);
  return {};
}

ResumableDirectory& ResumableDirectory::operator=(ResumableDirectory&& other) noexcept {
  std::swap(request_, other.request_);
  std::swap(marker_, other.marker_);
  std::swap(created_, other.created_);
  std::swap(was_empty_, other.was_empty_);
  std::swap(resumed_, other.resumed_);
  std::swap(worth_keeping_, other.worth_keeping_);
  return *this;
}

ResumableDirectory::~ResumableDirectory() {
  if (!marker_) return;
  const bool nothing_to_keep = was_empty_ && !worth_keeping_, begun = !marker_->identity().empty();
  if (nothing_to_keep) (void)remove_entries(/*everything=*/true);
  if (nothing_to_keep || !begun) (void)marker_->remove();
  std::error_code ignored;
  if (nothing_to_keep && created_) fs::remove(path(), ignored);
}

bool ResumableDirectory::has_from_earlier_run(const std::string& file_name) const {
  std::error_code error;
  return resumed_ && fs::is_regular_file(path() / file_name, error);
}

Status ResumableDirectory::finish() {
  std::error_code error;
  fs::remove_all(work_folder(path()), error);
  if (error) return io_error("cannot remove", work_folder(path()), error);
  NWC_RETURN_IF_ERROR(marker_->remove());
  marker_.reset();
  return {};
}

Status ResumableDirectory::remove() {
  NWC_RETURN_IF_ERROR(remove_entries(/*everything=*/true));
  NWC_RETURN_IF_ERROR(marker_->remove());
  marker_.reset();
  std::error_code error;
  fs::remove(path(), error);
  if (error) return io_error("cannot remove", path(), error);
  return {};
}

std::string made_again(const Error& why) { return "what an interrupted run left is made again: " + why.to_string(); }

}  // namespace nwc
