// Sets of characters by name, and lower case: Unicode 16, the same on every system, whatever version the system's
// libraries know. Tokenizers cut text by such sets, so that token ids depend on them.
//
// Thread safety: these functions may be called from several threads at once. A set that is returned lives as long as
// the program.
#pragma once

#include <string_view>

#include "characters/code_point_set.h"

namespace nwc::characters {

// A general category by its short name: "Lu", "L", "L&".
const CodePointSet* general_category(std::string_view short_name);
// A script or binary property by its name in lower case without '_': "han", "hani", "whitespace".
const CodePointSet* script(std::string_view plain_name);
const CodePointSet* binary_property(std::string_view plain_name);

// What normalizers and pre-tokenizers of the `tokenizers` library ask for. They go by other versions of Unicode than
// its regular expressions, some from before 2017.
enum class ReferenceSet {
  kWord,             // \w of Whitespace and of added tokens with single_word
  kNumeric,          // of Digits
  kPunctuation,      // of Punctuation and BertPreTokenizer
  kWhiteSpace,       // of WhitespaceSplit, Strip, BertPreTokenizer and added tokens
  kMark,             // taken away by StripAccents
  kNonspacingMark,   // taken away by BertNormalizer with strip_accents
  kBertRemoved,      // taken away by BertNormalizer with clean_text,
  kBertSpace,        // turned into a space by it,
  kBertIdeograph,    // and put between spaces with handle_chinese_chars
  kGraphemeExtend,   // stays with the character before it (Grapheme_Cluster_Break Extend, ZWJ or SpacingMark),
  kGraphemePrepend,  // with the one behind it,
  kGraphemeControl,  // or with none
};
const CodePointSet& reference_set(ReferenceSet set);

// The simple lower case; U+0130, whose full one is two characters, stays as it is.
char32_t lower_case(char32_t c);

}  // namespace nwc::characters
