// Writes a safetensors file as its data becomes known: atomically, in little memory, and equal input gives equal bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "nwcodec/dtype.h"
#include "nwcodec/result.h"

namespace nwc {

// A tensor whose size is known before its data.
struct PlannedTensor {
  std::string name;
  DType dtype;
  std::vector<uint64_t> shape;
};

// A file has two kinds of tensors. Fixed ones are planned: they are laid out first, by descending element size and then
// by name, and their data may come in any order of tensors. Growing ones are 1-D U8 tensors that become as long as what
// is appended to them (streams of a compressed tensor): they lie after the fixed ones in the order given, and are
// appended to one after another.
//
// The file appears under its name when finish() succeeds, replacing one that is there (whoever has that one mapped
// keeps it); without finish() it leaves no trace. Memory: the header, and per unfinished tensor a hash state with
// checksums.
//
// Not thread-safe. After an error of kind kIo the file cannot be finished any more.
class SafetensorsWriter {
 public:
  struct Options {
    bool checksums = false;  // add the tensor of checkpoint/checksums.h
  };

  // `metadata` becomes `__metadata__`; "format", which loaders insist on, is "pt" there if nothing else is given.
  // Errors: kIo, kNotFound (no such folder); kInvalidArgument for a name that occurs twice, is reserved or not UTF-8;
  // kLimit for what SafetensorsFile::open would refuse to read; kCorrupt for sub-byte elements that leave part of a
  // byte.
  static Result<SafetensorsWriter> create(const std::filesystem::path& path, std::vector<PlannedTensor> fixed,
                                          std::vector<std::string> growing, std::map<std::string, std::string> metadata,
                                          Options options);
  SafetensorsWriter(SafetensorsWriter&&) noexcept;
  SafetensorsWriter& operator=(SafetensorsWriter&&) noexcept;
  ~SafetensorsWriter();

  // The next bytes of a fixed tensor; `offset` is what has been written to that tensor before.
  // Errors: kIo; kInvalidArgument for an unknown or growing tensor, another offset, or bytes past the tensor's end.
  Status write(const std::string& name, uint64_t offset, std::span<const std::byte> bytes);

  // The next bytes of a growing tensor. Appending to a later one closes those before it; one that is never appended to
  // is empty.
  // Errors: kIo; kInvalidArgument for an unknown, fixed or closed tensor; kLimit beyond the largest file.
  Status append(const std::string& name, std::span<const std::byte> bytes);

  // Bytes of all tensors, growing ones as long as they are now. What an index counts in total_size.
  uint64_t data_bytes() const;

  // Writes the header and gives the file its name. Nothing can be written afterwards.
  // Errors: kIo; kInvalidArgument, naming the tensor, if a fixed tensor is not complete (the writer then still takes
  // the missing bytes).
  Status finish();

 private:
  struct State;
  explicit SafetensorsWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace nwc
