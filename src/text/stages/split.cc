#include "text/stages/split.h"

#include <algorithm>

#include "regex/utf8.h"

namespace nwc::text {
namespace {

constexpr std::pair<std::string_view, SplitBehavior> kBehaviors[] = {
    {"Isolated", SplitBehavior::kIsolated},
    {"Removed", SplitBehavior::kRemoved},
    {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
    {"MergedWithNext", SplitBehavior::kMergedWithNext},
    {"Contiguous", SplitBehavior::kContiguous},
};

// Joins each delimiter to its neighbour on the side where the iteration comes from, if that is no delimiter itself.
template <class Iterator>
std::vector<regex::Range> merge_delimiters(Iterator first, Iterator last) {
  std::vector<regex::Range> ranges;
  bool after_delimiter = false;
  for (; first != last; ++first) {
    if (first->is_delimiter && !after_delimiter && !ranges.empty()) {
      ranges.back() = {std::min(ranges.back().begin, first->begin), std::max(ranges.back().end, first->end)};
    } else {
      ranges.push_back({first->begin, first->end});
    }
    after_delimiter = first->is_delimiter;
  }
  return ranges;
}

std::vector<regex::Range> merge_equals(const std::vector<Segment>& segments) {
  std::vector<regex::Range> ranges;
  bool previous = false;
  for (const Segment& segment : segments) {
    if (segment.is_delimiter == previous && !ranges.empty()) {
      ranges.back().end = segment.end;
    } else {
      ranges.push_back({segment.begin, segment.end});
    }
    previous = segment.is_delimiter;
  }
  return ranges;
}

std::vector<regex::Range> ranges_of(const std::vector<Segment>& segments, SplitBehavior behavior) {
  switch (behavior) {
    case SplitBehavior::kMergedWithPrevious: return merge_delimiters(segments.begin(), segments.end());
    case SplitBehavior::kMergedWithNext: {
      std::vector<regex::Range> ranges = merge_delimiters(segments.rbegin(), segments.rend());
      std::reverse(ranges.begin(), ranges.end());
      return ranges;
    }
    case SplitBehavior::kContiguous: return merge_equals(segments);
    case SplitBehavior::kIsolated:
    case SplitBehavior::kRemoved: break;
  }
  std::vector<regex::Range> ranges;
  ranges.reserve(segments.size());
  for (const Segment& segment : segments) {
    if (behavior == SplitBehavior::kIsolated || !segment.is_delimiter) ranges.push_back({segment.begin, segment.end});
  }
  return ranges;
}

}  // namespace

Result<SplitBehavior> split_behavior(const Fields& fields, std::string_view name) {
  NWC_ASSIGN_OR_RETURN(const std::string text, fields.string(name));
  for (const auto& [known, behavior] : kBehaviors) {
    if (text == known) return behavior;
  }
  return fields.error(ErrorCode::kUnsupported, "behavior '" + text.substr(0, 100) + "' is not known");
}

std::vector<Segment> segments_of(size_t text_size, const std::vector<regex::Range>& delimiters) {
  std::vector<Segment> segments;
  segments.reserve(2 * delimiters.size() + 1);
  size_t done = 0;
  for (const regex::Range& delimiter : delimiters) {
    if (done != delimiter.begin) segments.push_back({done, delimiter.begin, false});
    segments.push_back({delimiter.begin, delimiter.end, true});
    done = delimiter.end;
  }
  if (done != text_size) segments.push_back({done, text_size, false});
  return segments;
}

std::vector<Segment> segments_of(std::string_view text, bool (*is_delimiter)(char32_t)) {
  std::vector<regex::Range> delimiters;
  for (size_t pos = 0; pos < text.size();) {
    const size_t begin = pos;
    if (is_delimiter(next_code_point(text, pos))) delimiters.push_back({begin, pos});
  }
  return segments_of(text.size(), delimiters);
}

void invert(std::vector<Segment>& segments) {
  for (Segment& segment : segments) segment.is_delimiter = !segment.is_delimiter;
}

void split_piece(const Piece& piece, const std::vector<Segment>& segments, SplitBehavior behavior,
                 std::vector<Piece>& out) {
  for (const regex::Range& range : ranges_of(segments, behavior)) {
    if (range.begin == range.end) continue;
    out.push_back({piece.text.substr(range.begin, range.end - range.begin), piece.at_start && range.begin == 0});
  }
}

}  // namespace nwc::text
