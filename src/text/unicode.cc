#include "text/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uniset.h>

#include "characters/sets.h"
#include "regex/utf8.h"

namespace nwc::text {

using characters::ReferenceSet;

bool is_white_space(char32_t c) { return characters::reference_set(ReferenceSet::kWhiteSpace).contains(c); }
bool is_word(char32_t c) { return characters::reference_set(ReferenceSet::kWord).contains(c); }
bool is_numeric(char32_t c) { return characters::reference_set(ReferenceSet::kNumeric).contains(c); }
bool is_punctuation(char32_t c) { return characters::reference_set(ReferenceSet::kPunctuation).contains(c); }

Result<std::string> normalize(std::string_view text, NormalForm form) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = nullptr;
  switch (form) {
    case NormalForm::kNfc: normalizer = icu::Normalizer2::getNFCInstance(status); break;
    case NormalForm::kNfd: normalizer = icu::Normalizer2::getNFDInstance(status); break;
    case NormalForm::kNfkc: normalizer = icu::Normalizer2::getNFKCInstance(status); break;
    case NormalForm::kNfkd: normalizer = icu::Normalizer2::getNFKDInstance(status); break;
  }
  static const icu::UnicodeSet assigned = [] {
    UErrorCode failed = U_ZERO_ERROR;
    icu::UnicodeSet set(icu::UnicodeString(u"[:age=9.0:]"), failed);
    set.freeze();
    return set;
  }();
  std::string normalized;
  if (U_SUCCESS(status) && !assigned.isEmpty()) {
    icu::StringByteSink<std::string> sink(&normalized);
    icu::FilteredNormalizer2(*normalizer, assigned)
        .normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink, nullptr, status);
  }
  if (U_FAILURE(status) || assigned.isEmpty()) {
    return Error(ErrorCode::kInternal, std::string("Unicode normalisation failed: ") + u_errorName(status));
  }
  return normalized;
}

std::string lower_case(std::string_view text) {
  std::string lowered;
  lowered.reserve(text.size());
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = next_code_point(text, pos);
    if (c == 0x130) {
      lowered += "i\xCC\x87";  // the one character whose full mapping is longer than its simple one
    } else {
      append_utf8(characters::lower_case(c), lowered);
    }
  }
  return lowered;
}

}  // namespace nwc::text
