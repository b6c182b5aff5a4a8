// Result<T> and Error: how every function of the decode library reports failure.
//
// Nothing in the decode library throws or aborts on bad input. A function that can fail returns
// Result<T> (or Status, which is Result<void>); both are [[nodiscard]].
//
//   Result<Codec> codec = Codec::open(path);
//   if (!codec) return codec.error();          // Error converts to any Result<U>
//   use(*codec);
//
// Thread safety: plain values, no shared state.
#pragma once

#include <cassert>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace nwc {

// What kind of failure it was. Values are stable; new ones are appended.
enum class ErrorCode : int {
  kInvalidArgument = 1,  // the caller asked for something that makes no sense
  kNotFound = 2,         // a file, a tensor or a key is missing
  kIo = 3,               // the operating system refused to read or write
  kCorrupt = 4,          // the bytes contradict themselves or a checksum
  kUnsupported = 5,      // well formed, but a version, dtype or option we do not know
  kLimit = 6,            // a declared size is over a limit of nwcodec/limits.h
  kMismatch = 7,         // two things that must belong together do not (codec and stream, index and shard)
  kExists = 8,           // the output is already there
  kNonFinite = 9,        // a weight is NaN or infinite
  kInterrupted = 10,     // the user asked to stop
  kInternal = 11,        // a foreign library failed in a way that we did not foresee
  kBusy = 12,            // another process is at work on the same output
};

const char* to_string(ErrorCode code);

// A failure with its place. Every field but code and message may be empty.
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  // Adds context; the innermost caller that knows a field sets it, outer ones never overwrite it.
  Error&& in_file(std::string path) && {
    if (file_.empty()) file_ = std::move(path);
    return std::move(*this);
  }
  Error&& in_tensor(std::string name) && {
    if (tensor_.empty()) tensor_ = std::move(name);
    return std::move(*this);
  }
  Error&& at_offset(uint64_t byte) && {
    if (!offset_) offset_ = byte;
    return std::move(*this);
  }
  // Turns an offset inside some part into one inside the whole that begins `base` bytes earlier.
  Error&& shift_offset(uint64_t base) && {
    if (offset_) *offset_ += base;
    return std::move(*this);
  }
  Error&& remedy(std::string text) && {
    if (remedy_.empty()) remedy_ = std::move(text);
    return std::move(*this);
  }

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const std::string& file() const { return file_; }
  const std::string& tensor() const { return tensor_; }
  const std::optional<uint64_t>& offset() const { return offset_; }

  // One line: `FILE: tensor 'NAME': byte N: MESSAGE; REMEDY`.
  std::string to_string() const;

 private:
  ErrorCode code_;
  std::string message_, file_, tensor_, remedy_;
  std::optional<uint64_t> offset_;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit by design

  explicit operator bool() const { return state_.index() == 0; }
  bool ok() const { return state_.index() == 0; }

  T& operator*() & { return *checked(); }
  const T& operator*() const& { return *checked(); }
  T&& operator*() && { return std::move(*checked()); }
  T* operator->() { return checked(); }
  const T* operator->() const { return checked(); }

  const Error& error() const& {
    assert(!ok());
    return std::get<1>(state_);
  }
  Error&& error() && {
    assert(!ok());
    return std::move(std::get<1>(state_));
  }

 private:
  T* checked() {
    assert(ok());
    return std::get_if<0>(&state_);
  }
  const T* checked() const {
    assert(ok());
    return std::get_if<0>(&state_);
  }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  explicit operator bool() const { return !error_; }
  bool ok() const { return !error_; }
  const Error& error() const& {
    assert(error_);
    return *error_;
  }
  Error&& error() && {
    assert(error_);
    return std::move(*error_);
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace nwc

// Early return of an error; the only macros of the public headers.
#define NWC_CONCAT_INNER(a, b) a##b
#define NWC_CONCAT(a, b) NWC_CONCAT_INNER(a, b)
#define NWC_RETURN_IF_ERROR(expr)                                                    \
  do {                                                                               \
    if (auto nwc_status = (expr); !nwc_status) return std::move(nwc_status).error(); \
  } while (false)
#define NWC_ASSIGN_OR_RETURN(lhs, expr) NWC_ASSIGN_OR_RETURN_IMPL(NWC_CONCAT(nwc_result_, __LINE__), lhs, expr)
#define NWC_ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                              \
  if (!tmp) return std::move(tmp).error();        \
  lhs = *std::move(tmp)
