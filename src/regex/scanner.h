// A cursor over a pattern that is being translated.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "nwcodec/result.h"

namespace nwc::regex {

class Scanner {
 public:
  // Views the pattern, which must outlive it.
  explicit Scanner(std::string_view pattern) : pattern_(pattern) {}

  size_t position() const { return position_; }
  bool done() const { return position_ >= pattern_.size(); }
  // What has not been read yet.
  std::string_view rest() const { return pattern_.substr(position_); }
  // The byte so far ahead; NUL behind the end.
  char peek(size_t ahead = 0) const { return ahead < pattern_.size() - position_ ? pattern_[position_ + ahead] : '\0'; }
  bool looking_at(std::string_view text) const { return rest().starts_with(text); }

  // Precondition of both: so many bytes are left.
  void skip(size_t bytes) { position_ += bytes; }
  std::string_view take(size_t bytes) {
    const std::string_view taken = rest().substr(0, bytes);
    position_ += bytes;
    return taken;
  }

  // Errors at the current position.
  Error error(ErrorCode code, std::string_view what) const {
    return Error(code, "byte " + std::to_string(position_) + ": " + std::string(what));
  }
  Error corrupt(std::string_view what) const { return error(ErrorCode::kCorrupt, what); }
  Error unsupported(std::string_view what) const {
    return error(ErrorCode::kUnsupported, std::string(what) + " is not supported");
  }

 private:
  std::string_view pattern_;
  size_t position_ = 0;
};

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace nwc::regex
