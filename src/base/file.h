// Files as the rest of the program sees them: read-only mappings, and outputs that appear under their name only when
// whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nwcodec/result.h"

namespace nwc {

// A whole file mapped read-only. Movable; unmapped on destruction. A file that shrinks while mapped raises SIGBUS in
// any reader of the mapping: inputs must not be truncated while in use (writers that rename, as ours do, are safe).
class MappedFile {
 public:
  static Result<MappedFile> open(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

  // Tells the kernel that [offset, offset + size) will not be read again soon, so that a pass over a large checkpoint
  // does not keep all of it resident.
  void release(uint64_t offset, uint64_t size) const;

 private:
  MappedFile() = default;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  std::filesystem::path path_;
};

// The whole file as text; kLimit if it is larger than max_bytes.
Result<std::string> read_text_file(const std::filesystem::path& path, uint64_t max_bytes);

// The names in a directory, sorted. Errors: kNotFound, kIo.
Result<std::vector<std::string>> list_directory(const std::filesystem::path& directory);

// Whether a name is one that OutputFile gives to a file that it has not finished.
bool is_temporary_name(std::string_view file_name);

// A file being written under a temporary sibling name (".NAME.RANDOM.partial") that no other process and no other
// OutputFile has. commit() makes it durable and renames it to its final name; without commit the destructor removes it,
// so an error or a signal handler's exit leaves nothing behind.
class OutputFile {
 public:
  static Result<OutputFile> create(const std::filesystem::path& final_path);
  OutputFile(OutputFile&& other) noexcept { *this = std::move(other); }
  OutputFile& operator=(OutputFile&& other) noexcept;
  ~OutputFile();

  Status write_at(uint64_t offset, std::span<const std::byte> bytes);
  Status append(std::span<const std::byte> bytes);
  uint64_t appended() const { return end_; }  // where the next append goes
  void seek_end(uint64_t offset) { end_ = offset; }
  Status commit();

 private:
  OutputFile() = default;
  void discard();
  int fd_ = -1;
  uint64_t end_ = 0;
  std::filesystem::path final_path_, temporary_path_;
};

// OutputFile in one call.
Status write_file(const std::filesystem::path& path, std::string_view text);

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace nwc
