// Regular expressions of tokenizer.json, matched by PCRE2 on UTF-8.
//
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nwcodec/result.h"

namespace nwc::text {

// A half-open range of byte positions.
struct Range {
  size_t begin;
  size_t end;
};

class Regex {
 public:
  // `pattern` is valid UTF-8 in Oniguruma's syntax. Errors: kCorrupt, kUnsupported, kLimit; each quotes the pattern.
  static Result<Regex> compile(std::string_view pattern);

  // All matches in `text` (valid UTF-8) from left to right, without overlap; an empty match right behind another match does
  // not count. Empty text has none. kLimit if the search takes more than limits::kMaxRegexSteps steps (plus 64 a byte):
  // however a pattern is made, the time is bounded by the length of the text times a constant.
  Result<std::vector<Range>> find_all(std::string_view text) const;

 private:
  struct Program;
  explicit Regex(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const Program> program_;
};

}  // namespace nwc::text
