#include "characters/code_point_set.h"

#include <algorithm>
#include <charconv>

namespace nwc::characters {

CodePointSet::CodePointSet(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  for (const Range& range : ranges) {
    if (range.begin >= range.end) continue;
    if (!ranges_.empty() && range.begin <= ranges_.back().end) {
      ranges_.back().end = std::max(ranges_.back().end, range.end);
    } else {
      ranges_.push_back(range);
    }
  }
}

CodePointSet CodePointSet::parse(std::string_view text) {
  std::vector<Range> ranges;
  char32_t at = 0;
  const char* next = text.data();
  const char* const end = text.data() + text.size();
  const auto number = [&] {
    uint32_t value = 0;
    next = std::from_chars(next, end, value, 36).ptr;
    while (next != end && *next == ' ') ++next;
    return value;
  };
  while (next != end) {
    const char32_t begin = at + number();
    at = begin + number();
    ranges.push_back({begin, at});
  }
  return CodePointSet(std::move(ranges));
}

bool CodePointSet::contains(char32_t c) const {
  const auto behind =
      std::upper_bound(ranges_.begin(), ranges_.end(), c, [](char32_t v, const Range& r) { return v < r.begin; });
  return behind != ranges_.begin() && c < (behind - 1)->end;
}

CodePointSet CodePointSet::operator|(const CodePointSet& other) const {
  std::vector<Range> all = ranges_;
  all.insert(all.end(), other.ranges_.begin(), other.ranges_.end());
  return CodePointSet(std::move(all));
}

CodePointSet CodePointSet::operator-(const CodePointSet& other) const {
  std::vector<Range> left;
  auto taken = other.ranges_.begin();
  for (const Range& range : ranges_) {
    char32_t begin = range.begin;
    while (taken != other.ranges_.end() && taken->end <= begin) ++taken;
    for (auto cut = taken; cut != other.ranges_.end() && cut->begin < range.end; ++cut) {
      left.push_back({begin, cut->begin});  // empty ones are dropped
      begin = std::max(begin, cut->end);
    }
    left.push_back({begin, range.end});
  }
  return CodePointSet(std::move(left));
}

}  // namespace nwc::characters
