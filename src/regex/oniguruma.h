// Translates a regular expression from Oniguruma's syntax, in which tokenizer.json is written, to PCRE2's.
//
// Most of the two languages is the same. What differs and is mapped:
//   \s \w \h \v \b \R, POSIX brackets, \p{name}  Oniguruma's character sets, written out for PCRE2
//   \p{Han} and other scripts                    Script, not Script_Extensions
//   [a[b]], [a&&b]                               nested classes and intersections
//   (?m), (?i) in the middle of a group          dot-all; an isolated option holds across the alternatives that follow
//   (?i)\p{Lu}                                   a property outside of brackets is taken as it is
//   {,n}  {n}?  {n,m}+  a**                      from 0 to n; optional; a repeated repetition
//   ^ $                                          always at lines (PCRE2_MULTILINE, see regex.cc)
// Refused by name (kUnsupported): \K \G \g \y \X, conditions, calls, callouts, verbs, absent operators, options other
// than i and m, raw bytes (\x80 and above), and case-dependent properties inside a class under (?i). Not mapped: under
// (?i) Oniguruma lets one character equal several (ss and U+00DF); PCRE2 does not.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nwcodec/result.h"

namespace nwc::regex {

// Where the parts of a translation come from, so that PCRE2's complaints can be placed in what the user wrote.
class SourceMap {
 public:
  // What is written from `translated` on comes from `original` on; both ascend from call to call.
  void add(size_t translated, size_t original) { marks_.push_back({translated, original}); }
  // `bytes` more stand at `translated` now.
  void insert(size_t translated, size_t bytes);
  // The origin of the part that holds `translated`.
  size_t origin(size_t translated) const;

 private:
  struct Mark {
    size_t translated, original;
  };
  std::vector<Mark> marks_;
};

struct Translation {
  std::string pattern;
  SourceMap source;
};

// Errors: kUnsupported, kCorrupt for what neither language accepts (PCRE2 finds the rest), kLimit for classes nested
// too deep; with the byte offset within the pattern.
Result<Translation> oniguruma_to_pcre2(std::string_view pattern);

}  // namespace nwc::regex
