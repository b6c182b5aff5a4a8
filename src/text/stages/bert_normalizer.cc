#include "text/stages/bert_normalizer.h"

#include "characters/sets.h"
#include "regex/utf8.h"
#include "text/unicode.h"

namespace nwc::text {
namespace {

using characters::CodePointSet;
using characters::reference_set;
using characters::ReferenceSet;
using Made = Result<std::unique_ptr<Normalizer>>;

void take_away(const CodePointSet& set, Piece& piece) {
  std::string kept;
  kept.reserve(piece.text.size());
  for (size_t pos = 0; pos < piece.text.size();) {
    const size_t begin = pos;
    if (set.contains(next_code_point(piece.text, pos))) {
      if (kept.empty()) piece.at_start = false;
    } else {
      kept.append(piece.text, begin, pos - begin);
    }
  }
  piece.text = std::move(kept);
}

class BertNormalizer : public Normalizer {
 public:
  static Made make(const Fields& fields) {
    auto bert = std::make_unique<BertNormalizer>();
    NWC_ASSIGN_OR_RETURN(bert->clean_text_, fields.boolean("clean_text"));
    NWC_ASSIGN_OR_RETURN(bert->separate_ideographs_, fields.boolean("handle_chinese_chars"));
    NWC_ASSIGN_OR_RETURN(bert->lower_case_, fields.boolean("lowercase"));
    NWC_ASSIGN_OR_RETURN(bert->strip_accents_, fields.boolean("strip_accents", bert->lower_case_));
    return Made(std::move(bert));
  }

  Status apply(Piece& piece, Budget& budget) const override {
    if (clean_text_) {
      take_away(reference_set(ReferenceSet::kBertRemoved), piece);
      spaces(piece.text);
    }
    if (separate_ideographs_) separate(piece.text);
    if (strip_accents_) {
      NWC_ASSIGN_OR_RETURN(piece.text, normalize(piece.text, NormalForm::kNfd));
      take_away(reference_set(ReferenceSet::kNonspacingMark), piece);
    }
    if (lower_case_) piece.text = lower_case(piece.text);
    if (piece.text.size() > budget.max_bytes()) return too_long(budget);
    return {};
  }

 private:
  static void spaces(std::string& text) {
    const CodePointSet& set = reference_set(ReferenceSet::kBertSpace);
    std::string spaced;
    spaced.reserve(text.size());
    for (size_t pos = 0; pos < text.size();) {
      const size_t begin = pos;
      if (set.contains(next_code_point(text, pos))) {
        spaced += ' ';
      } else {
        spaced.append(text, begin, pos - begin);
      }
    }
    text = std::move(spaced);
  }

  static void separate(std::string& text) {
    const CodePointSet& set = reference_set(ReferenceSet::kBertIdeograph);
    std::string spaced;
    spaced.reserve(text.size());
    for (size_t pos = 0; pos < text.size();) {
      const size_t begin = pos;
      const bool ideograph = set.contains(next_code_point(text, pos));
      if (ideograph) spaced += ' ';
      spaced.append(text, begin, pos - begin);
      if (ideograph) spaced += ' ';
    }
    text = std::move(spaced);
  }

  bool clean_text_ = true;
  bool separate_ideographs_ = true;
  bool strip_accents_ = true;
  bool lower_case_ = true;
};

class StripAccents : public Normalizer {
 public:
  Status apply(Piece& piece, Budget&) const override {
    take_away(reference_set(ReferenceSet::kMark), piece);
    return {};
  }
};

}  // namespace

Made make_bert_normalizer(const Fields& fields) { return BertNormalizer::make(fields); }
Made make_strip_accents(const Fields&) { return Made(std::make_unique<StripAccents>()); }

}  // namespace nwc::text
