#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/hash.h"
#include "base/lfs_pointer.h"

namespace nwc {
namespace {

constexpr std::string_view kTemporarySuffix = ".partial";
constexpr size_t kMaxNamePrefix = 200;  // bytes of the final name in a temporary one: file systems allow 255 in all
constexpr int kNameAttempts = 100;

Error io_error(const char* what, const std::filesystem::path& path, int error_number) {
  const ErrorCode code = error_number == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  Error error(code, std::string(what) + ": " + std::strerror(error_number));
  if (error_number == ENOSPC || error_number == EDQUOT) {
    return std::move(error).in_file(path.string()).remedy("free some space or choose another output directory");
  }
  return std::move(error).in_file(path.string());
}

// Twelve digits that differ from process to process and from call to call. O_EXCL deals with the rest.
std::string unlikely_to_repeat() {
  static std::atomic<uint64_t> calls{0};
  const auto now = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  const std::array<uint64_t, 3> seed{static_cast<uint64_t>(::getpid()), calls.fetch_add(1), now};
  return hex64(xxh3(std::as_bytes(std::span(seed)))).substr(0, 12);
}

struct FileDescriptor {
  int fd;
  ~FileDescriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Result<uint64_t> regular_file_size(int fd, const std::filesystem::path& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return io_error("cannot read its size", path, errno);
  if (!S_ISREG(info.st_mode)) return Error(ErrorCode::kIo, "is not a regular file").in_file(path.string());
  return static_cast<uint64_t>(info.st_size);
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return io_error("cannot open", path, errno);
  NWC_ASSIGN_OR_RETURN(const uint64_t size, regular_file_size(file.fd, path));
  MappedFile mapped;
  mapped.path_ = path;
  mapped.size_ = size;
  if (size > 0) {
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
    if (address == MAP_FAILED) return io_error("cannot map", path, errno);
    mapped.data_ = static_cast<const std::byte*>(address);
  }
  return mapped;
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::release(uint64_t offset, uint64_t size) const {
  if (data_ == nullptr || offset >= size_) return;
  const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t begin = offset / page * page;
  const uint64_t end = size < size_ - offset ? offset + size : size_;
  ::madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);  // on failure pages stay resident
}

Result<std::string> read_text_file(const std::filesystem::path& path, uint64_t max_bytes) {
  const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return io_error("cannot open", path, errno);
  NWC_ASSIGN_OR_RETURN(const uint64_t size, regular_file_size(file.fd, path));
  if (size > max_bytes) {
    return Error(ErrorCode::kLimit,
                 "is " + std::to_string(size) + " bytes long; the limit is " + std::to_string(max_bytes))
        .in_file(path.string());
  }
  std::string text(size, '\0');
  uint64_t done = 0;
  while (done < size) {
    const ssize_t n = ::pread(file.fd, text.data() + done, size - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error("cannot read", path, errno);
    if (n == 0) return Error(ErrorCode::kIo, "became shorter while being read").in_file(path.string());
    done += static_cast<uint64_t>(n);
  }
  if (is_lfs_pointer(text)) return lfs_pointer_error().in_file(path.string());
  return text;
}

Result<std::vector<std::string>> list_directory(const std::filesystem::path& directory) {
  namespace fs = std::filesystem;
  std::vector<std::string> names;
  std::error_code why;
  for (fs::directory_iterator entry(directory, why); !why && entry != fs::directory_iterator(); entry.increment(why))
    names.push_back(entry->path().filename().string());
  if (why) {
    const ErrorCode code = why == std::errc::no_such_file_or_directory ? ErrorCode::kNotFound : ErrorCode::kIo;
    return Error(code, "cannot list the directory: " + why.message()).in_file(directory.string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool is_temporary_name(std::string_view file_name) {
  return file_name.starts_with('.') && file_name.ends_with(kTemporarySuffix);
}

Result<OutputFile> OutputFile::create(const std::filesystem::path& final_path) {
  OutputFile out;
  out.final_path_ = final_path;
  const std::string name = final_path.filename().string();
  for (int attempt = 0; attempt < kNameAttempts && out.fd_ < 0; ++attempt) {
    const std::string temporary =
        "." + name.substr(0, kMaxNamePrefix) + "." + unlikely_to_repeat() + std::string(kTemporarySuffix);
    out.temporary_path_ = final_path.parent_path() / temporary;
    out.fd_ = ::open(out.temporary_path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (out.fd_ < 0 && errno != EEXIST) return io_error("cannot create", final_path, errno);
  }
  if (out.fd_ < 0) return io_error("cannot create", final_path, EEXIST);
  return out;
}

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(end_, other.end_);
  std::swap(final_path_, other.final_path_);
  std::swap(temporary_path_, other.temporary_path_);
  return *this;
}

OutputFile::~OutputFile() { discard(); }

void OutputFile::discard() {
  if (fd_ < 0) return;
  ::close(fd_);
  fd_ = -1;
  ::unlink(temporary_path_.c_str());
}

Status OutputFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error("cannot write", final_path_, errno);
    done += static_cast<size_t>(n);
  }
  return {};
}

Status OutputFile::append(std::span<const std::byte> bytes) {
  NWC_RETURN_IF_ERROR(write_at(end_, bytes));
  end_ += bytes.size();
  return {};
}

Status OutputFile::commit() {
  if (::fsync(fd_) != 0) return io_error("cannot flush", final_path_, errno);
  if (::close(std::exchange(fd_, -1)) != 0) {
    const int why = errno;
    ::unlink(temporary_path_.c_str());
    return io_error("cannot close", final_path_, why);
  }
  if (::rename(temporary_path_.c_str(), final_path_.c_str()) != 0) {
    const int why = errno;
    ::unlink(temporary_path_.c_str());
    return io_error("cannot rename into place", final_path_, why);
  }
  // The name too must survive a power cut. File systems that cannot flush a directory say so; nothing is lost by going
  // on.
  const std::string folder = final_path_.has_parent_path() ? final_path_.parent_path().string() : std::string(".");
  const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    (void)::fsync(directory);
    ::close(directory);
  }
  return {};
}

Status write_file(const std::filesystem::path& path, std::string_view text) {
  NWC_ASSIGN_OR_RETURN(OutputFile out, OutputFile::create(path));
  NWC_RETURN_IF_ERROR(out.append(as_bytes(text)));
  return out.commit();
}

}  // namespace nwc
