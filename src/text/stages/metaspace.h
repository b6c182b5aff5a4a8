// The options of Metaspace, which both a pre-tokenizer and a decoder have.
#pragma once

#include <string>

#include "text/component.h"

namespace nwc::text {

enum class PrependScheme { kFirst, kAlways, kNever };

struct MetaspaceOptions {
  std::string replacement;  // the character that stands for a space, U+2581 as a rule
  PrependScheme prepend = PrependScheme::kAlways;
  bool split = true;
};

// Reads both forms: "add_prefix_space" alone (true is "always", false is "never") and "prepend_scheme" with "split".
// kCorrupt if the two contradict each other.
Result<MetaspaceOptions> metaspace_options(const Fields& fields);

}  // namespace nwc::text
