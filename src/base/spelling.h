// Near misses: which known word someone may have meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace nwc {

// The candidate that is fewest edits (a byte more, less or other, or two swapped) from `word`, at most a third of its
// length; the first of several, an empty string if there is none.
std::string closest(std::string_view word, std::span<const std::string> candidates);

}  // namespace nwc
