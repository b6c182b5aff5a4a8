// What makes two runs of a command the same: everything that decides about the bytes they write.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "nwcodec/result.h"

namespace nwc {

class Checkpoint;

// An ordered list of lines "name: value". Runs with equal texts write equal files, so that one may go on where another
// was interrupted; where texts differ, difference() says in words which line it is. Options go first, then content
// hashes of what is read, then what follows from both, so that the first difference is the cause and not its effect.
// Not thread-safe.
class RunIdentity {
 public:
  // The first two lines: the command and the version of the library.
  explicit RunIdentity(std::string_view command);

  // Names are unique. Any bytes may stand in values.
  void add(std::string_view name, std::string_view value);
  void add(std::string_view name, const char* value) { add(name, std::string_view(value)); }
  template <class T>
  requires std::is_arithmetic_v<T>
  void add(std::string_view name, T value) {
    if constexpr (std::is_same_v<T, bool>) {
      add(name, value ? "yes" : "no");
    } else if constexpr (std::is_floating_point_v<T>) {
      add(name, std::string_view(number_text(static_cast<double>(value))));
    } else {
      add(name, std::string_view(std::to_string(value)));
    }
  }
  void add_hash(std::string_view name, uint64_t hash);
  // One line each: "name 1", "name 2", ...
  void add_each(std::string_view name, const std::vector<std::string>& values);
  // A content hash of the file. Errors: kNotFound, kIo.
  Status add_file(std::string_view name, const std::filesystem::path& path);
  // Content hashes of all shards, "NAME SHARD" each. Reads every byte.
  void add_weights(std::string_view name, const Checkpoint& checkpoint, int threads);

  const std::string& text() const { return text_; }
  // The text in sixteen digits, for parts of a run to carry.
  std::string digest() const;

  // What tells `now` from the run that began with `started` (texts of identities), for a message: "was started with
  // seed 1, this run has 2". Empty if they are equal.
  static std::string difference(std::string_view started, std::string_view now);

 private:
  static std::string number_text(double value);  // the shortest that reads back as the same number
  std::string text_;
};

}  // namespace nwc
