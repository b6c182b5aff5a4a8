#include "checkpoint/run_marker.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "base/file.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxMarker = 64u << 20;  // a line for each of 99,999 shards takes some 10 MB
constexpr int kLockAttempts = 100;
constexpr int kHolderReads = 20;
constexpr std::chrono::milliseconds kHolderPause{5};

Error io_error(const char* what, const fs::path& path, int error_number) {
  const ErrorCode code = error_number == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  return Error(code, std::string(what) + ": " + std::strerror(error_number)).in_file(path.string());
}

Status write_at(int fd, uint64_t offset, std::string_view text, const fs::path& path) {
  while (!text.empty()) {
    const ssize_t n = ::pwrite(fd, text.data(), text.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error("cannot write", path, errno);
    offset += static_cast<uint64_t>(n);
    text.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

// Behind the empty line that ends the identity, which may be empty; npos if it is not there.
size_t end_of_identity(const std::string& text) {
  if (text.starts_with('\n')) return 1;
  const size_t end = text.find("\n\n");
  return end == std::string::npos ? end : end + 2;
}

// Who the marker says holds it. The holder may be about to write it.
std::string holder_of(const fs::path& marker) {
  for (int attempt = 0; attempt < kHolderReads; ++attempt) {
    const Result<std::string> text = read_text_file(marker, kMaxMarker);
    const size_t begin = text ? end_of_identity(*text) : std::string::npos;
    if (begin != std::string::npos && text->ends_with('\n') && begin < text->size())
      return text->substr(begin, text->size() - 1 - begin);
    std::this_thread::sleep_for(kHolderPause);
  }
  return "another process";
}

// File systems without locks: there is nothing to wait for.
bool is_unsupported(int error_number) {
  return error_number == ENOLCK || error_number == EOPNOTSUPP || error_number == ENOSYS || error_number == EINVAL;
}

// Whether the open file is still the one of that name.
bool is_same_file(int fd, const fs::path& path) {
  struct stat opened {
  }, named{};
  return ::fstat(fd, &opened) == 0 && ::stat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

}  // namespace

bool RunMarker::exists(const fs::path& directory) {
  std::error_code error;
  return fs::exists(directory / kFileName, error);
}

Result<RunMarker> RunMarker::lock(const fs::path& directory) {
  for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
    RunMarker marker;
    marker.path_ = directory / kFileName;
    marker.fd_ = ::open(marker.path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (marker.fd_ < 0) return io_error("cannot create", marker.path_, errno);
    int locked = 0;
    do {
      locked = ::flock(marker.fd_, LOCK_EX | LOCK_NB);
    } while (locked != 0 && errno == EINTR);
    if (locked != 0 && errno == EWOULDBLOCK) {
      return Error(ErrorCode::kBusy, "is being written by " + holder_of(marker.path_))
          .in_file(directory.string())
          .remedy("wait until it has finished, or choose another output");
    }
    if (locked != 0 && !is_unsupported(errno)) return io_error("cannot lock", marker.path_, errno);
    // Between open and lock the last holder may have removed the file: then it protects nothing.
    if (!is_same_file(marker.fd_, marker.path_)) continue;
    NWC_RETURN_IF_ERROR(marker.read());
    return marker;
  }
  return Error(ErrorCode::kBusy, "is being written by other processes, one after another").in_file(directory.string());
}

RunMarker& RunMarker::operator=(RunMarker&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(identity_, other.identity_);
  return *this;
}

RunMarker::~RunMarker() {
  if (fd_ >= 0) ::close(fd_);
}

Status RunMarker::read() {
  NWC_ASSIGN_OR_RETURN(const std::string text, read_text_file(path_, kMaxMarker));
  const size_t end = end_of_identity(text);
  // Who holds the lock is for messages only: write() will tell if nothing can be written here.
  if (end == std::string::npos) {
    if (::ftruncate(fd_, 0) == 0 && write_at(fd_, 0, "\n", path_)) (void)sign(1);
    return {};
  }
  identity_ = text.substr(0, end - 1);
  (void)sign(end);
  return {};
}

Status RunMarker::sign(uint64_t offset) const {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  const std::string text =
      "process " + std::to_string(::getpid()) + " on " + (host[0] != '\0' ? host.data() : "this machine") + "\n";
  if (::ftruncate(fd_, static_cast<off_t>(offset)) != 0) return io_error("cannot shorten", path_, errno);
  return write_at(fd_, offset, text, path_);
}

Status RunMarker::write(const std::string& identity) {
  const std::string text = identity + "\n";
  if (::ftruncate(fd_, 0) != 0) return io_error("cannot shorten", path_, errno);
  NWC_RETURN_IF_ERROR(write_at(fd_, 0, text, path_));
  NWC_RETURN_IF_ERROR(sign(text.size()));
  if (::fsync(fd_) != 0) return io_error("cannot flush", path_, errno);
  identity_ = identity;
  return {};
}

Status RunMarker::remove() {
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT) return io_error("cannot remove", path_, errno);
  ::close(std::exchange(fd_, -1));
  return {};
}

}  // namespace nwc
