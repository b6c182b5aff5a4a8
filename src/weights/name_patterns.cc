#include "weights/name_patterns.h"

#include <utility>

namespace nwc {

Result<NamePatterns> NamePatterns::compile(std::string option, const std::vector<std::string>& patterns) {
  NamePatterns made;
  made.option_ = std::move(option);
  for (const std::string& pattern : patterns) {
    Result<regex::Regex> compiled = regex::Regex::compile(pattern, regex::Syntax::kPerl);
    if (!compiled) return Error(ErrorCode::kInvalidArgument, made.option_ + ": " + compiled.error().message());
    made.patterns_.push_back(*std::move(compiled));
  }
  return made;
}

Result<bool> NamePatterns::match(std::string_view name) const {
  for (const regex::Regex& pattern : patterns_) {
    regex::Budget budget(name.size());
    Result<bool> found = pattern.found_in(name, budget);
    if (!found) {
      return Error(found.error().code(), option_ + ": " + found.error().message())
          .in_tensor(std::string(name))
          .remedy("write the pattern without repetitions of repetitions");
    }
    if (*found) return true;
  }
  return false;
}

}  // namespace nwc
