// Regular expressions on UTF-8, the only ones in this project: those of tokenizer.json and those of --include and
// --exclude. PCRE2 matches them (docs/lab/regular_expressions.md says why), under limits that no pattern can lift.
//
// PCRE2's just-in-time compiler is left unused: its match limit does not count the backtracking of simple repetitions,
// so a hostile pattern could hang, and on the patterns of real tokenizers the interpreter is hardly slower.
//
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "nwcodec/result.h"
#include "regex/budget.h"

namespace nwc::regex {

// A half-open range of byte positions.
struct Range {
  size_t begin;
  size_t end;
};

enum class Syntax {
  kOniguruma,  // tokenizer.json's; see oniguruma.h for what is left out
  kPerl,       // as PCRE2 has it (pcre2pattern(3)), without \C
};

class Regex {
 public:
  // Errors: kCorrupt, kUnsupported, kLimit; each quotes the pattern and names the byte in it.
  static Result<Regex> compile(std::string_view pattern, Syntax syntax);

  // All matches in `text` (valid UTF-8) from left to right, without overlap; an empty match right behind another match
  // does not count. Empty text has none. kLimit, quoting the pattern, if the budget is spent, or if matching at one
  // position needs more memory or a deeper nesting of choices than limits::kMaxRegexMemory and kMaxRegexDepth allow:
  // tens of times what the patterns of real tokenizers take. kUnsupported for a pattern in Perl's syntax that calls
  // itself again before it has matched anything.
  Result<std::vector<Range>> find_all(std::string_view text, Budget& budget) const;

  // Whether the pattern matches anywhere in `text` (valid UTF-8), be it the empty string. Errors: as find_all.
  Result<bool> found_in(std::string_view text, Budget& budget) const;

 private:
  struct Program;
  explicit Regex(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const Program> program_;
};

}  // namespace nwc::regex
