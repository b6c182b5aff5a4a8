#include "text/stages/graphemes.h"

#include "characters/sets.h"
#include "regex/utf8.h"

namespace nwc::text {
namespace {

using characters::reference_set;
using characters::ReferenceSet;

enum class Kind { kOther, kControl, kExtend, kPrepend, kLeading, kVowel, kTrailing };

bool within(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

// Of a Hangul syllable: what it ends in.
Kind kind_of(char32_t c) {
  if (within(c, 0x20, 0x7E)) return Kind::kOther;
  if (reference_set(ReferenceSet::kGraphemeControl).contains(c)) return Kind::kControl;
  if (reference_set(ReferenceSet::kGraphemeExtend).contains(c)) return Kind::kExtend;
  if (reference_set(ReferenceSet::kGraphemePrepend).contains(c)) return Kind::kPrepend;
  if (within(c, 0x1100, 0x115F) || within(c, 0xA960, 0xA97C)) return Kind::kLeading;
  if (within(c, 0x1160, 0x11A7) || within(c, 0xD7B0, 0xD7C6)) return Kind::kVowel;
  if (within(c, 0x11A8, 0x11FF) || within(c, 0xD7CB, 0xD7FB)) return Kind::kTrailing;
  if (within(c, 0xAC00, 0xD7A3)) return (c - 0xAC00) % 28 == 0 ? Kind::kVowel : Kind::kTrailing;
  return Kind::kOther;
}

bool stay_together(Kind before, Kind behind, bool behind_is_syllable) {
  if (behind == Kind::kExtend) return before != Kind::kControl;
  if (before == Kind::kPrepend) return behind != Kind::kControl;
  if (before == Kind::kLeading) return behind == Kind::kLeading || behind == Kind::kVowel || behind_is_syllable;
  if (behind_is_syllable) return false;
  if (before == Kind::kVowel) return behind == Kind::kVowel || behind == Kind::kTrailing;
  return before == Kind::kTrailing && behind == Kind::kTrailing;
}

}  // namespace

size_t grapheme_length(std::string_view text) {
  size_t end = 0;
  Kind before = kind_of(next_code_point(text, end));
  if (text.starts_with("\r\n")) return 2;
  while (end < text.size()) {
    size_t pos = end;
    const char32_t c = next_code_point(text, pos);
    const Kind behind = kind_of(c);
    if (!stay_together(before, behind, within(c, 0xAC00, 0xD7A3))) break;
    before = behind;
    end = pos;
  }
  return end;
}

}  // namespace nwc::text
