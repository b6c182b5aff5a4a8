// The patterns of --include and --exclude: Perl's regular expressions, searched in a tensor's name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "nwcodec/result.h"
#include "regex/regex.h"

namespace nwc {

// Thread safety: const members may be called from several threads at once.
class NamePatterns {
 public:
  NamePatterns() = default;  // matches nothing

  // `option` is where the patterns were given, for messages: "--include". Errors: kInvalidArgument for what is no
  // regular expression; names the option, the pattern and the byte in it.
  static Result<NamePatterns> compile(std::string option, const std::vector<std::string>& patterns);

  // Whether one of them matches somewhere in `name` (valid UTF-8). Errors: kLimit for a pattern that takes too long on
  // it (regex.h); names the option, the pattern and the tensor.
  Result<bool> match(std::string_view name) const;

 private:
  std::string option_;
  std::vector<regex::Regex> patterns_;
};

}  // namespace nwc
