// Cutting a piece at delimiters, in the five ways of tokenizer.json.
#pragma once

#include <string_view>
#include <vector>

#include "regex/regex.h"
#include "text/component.h"
#include "text/piece.h"

namespace nwc::text {

// What becomes of a delimiter: a piece of its own; nothing; the end of the piece before it; the beginning of the piece
// after it; one piece together with the delimiters next to it.
enum class SplitBehavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

// From the member `name`, "Isolated" and so on; with `absent` it may be missing.
Result<SplitBehavior> split_behavior(const Fields& fields, std::string_view name);

// A part of a text; all parts together are the whole of it, in order.
struct Segment {
  size_t begin;
  size_t end;
  bool is_delimiter;
};

// From ascending matches that do not overlap; parts between them may not be empty, matches may.
std::vector<Segment> segments_of(size_t text_size, const std::vector<regex::Range>& delimiters);
// Every character for which `is_delimiter` holds is a delimiter of its own.
std::vector<Segment> segments_of(std::string_view text, bool (*is_delimiter)(char32_t));
void invert(std::vector<Segment>& segments);

// Appends the pieces to `out`; empty ones are left out.
void split_piece(const Piece& piece, const std::vector<Segment>& segments, SplitBehavior behavior,
                 std::vector<Piece>& out);

}  // namespace nwc::text
