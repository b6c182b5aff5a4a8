// Extended grapheme clusters: what a reader takes for one character.
#pragma once

#include <cstddef>
#include <string_view>

namespace nwc::text {

// The bytes of the cluster that `text` (valid UTF-8, not empty) begins with. Flags, emoji joined by U+200D and Indic
// conjuncts, all longer than the clusters that Precompiled looks up as a whole, are taken apart.
size_t grapheme_length(std::string_view text);

}  // namespace nwc::text
