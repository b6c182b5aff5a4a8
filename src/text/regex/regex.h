// Regular expressions of tokenizer.json, matched by PCRE2 on UTF-8.
//
// PCRE2's just-in-time compiler is left unused: its match limit does not count the backtracking of simple repetitions,
// so a hostile pattern could hang, and on the patterns of real tokenizers the interpreter is hardly slower.
//
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nwcodec/result.h"
#include "text/regex/budget.h"

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

  // All matches in `text` (valid UTF-8) from left to right, without overlap; an empty match right behind another match
  // does not count. Empty text has none. kLimit if the pattern backtracks beyond limits::kMaxRegexSteps or the budget's
  // time is over, which is tens of times what the patterns of real tokenizers take.
  Result<std::vector<Range>> find_all(std::string_view text, Budget& budget) const;

 private:
  struct Program;
  explicit Regex(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const Program> program_;
};

}  // namespace nwc::text
