#include "text/stages/normalizer.h"

#include "regex/utf8.h"
#include "text/component.h"
#include "text/stages/bert_normalizer.h"
#include "text/stages/byte_level.h"
#include "text/stages/pattern.h"
#include "text/stages/precompiled.h"
#include "text/unicode.h"

namespace nwc::text {
namespace {

using Made = Result<std::unique_ptr<Normalizer>>;

class Prepend : public Normalizer {
 public:
  static Made make(const Fields& fields) {
    auto prepend = std::make_unique<Prepend>();
    NWC_ASSIGN_OR_RETURN(prepend->prefix_, fields.string("prepend"));
    return Made(std::move(prepend));
  }
  Status apply(Piece& piece, Budget& budget) const override {
    if (piece.text.empty()) return {};
    if (piece.text.size() > budget.max_bytes() || prefix_.size() > budget.max_bytes() - piece.text.size())
      return too_long(budget);
    piece.text.insert(0, prefix_);
    return {};
  }

 private:
  std::string prefix_;
};

class Replace : public Normalizer {
 public:
  static Made make(const Fields& fields) {
    NWC_ASSIGN_OR_RETURN(Pattern pattern, Pattern::from(fields, "pattern"));
    NWC_ASSIGN_OR_RETURN(std::string content, fields.string("content"));
    return Made(std::make_unique<Replace>(std::move(pattern), std::move(content)));
  }
  Replace(Pattern pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}

  Status apply(Piece& piece, Budget& budget) const override {
    NWC_ASSIGN_OR_RETURN(const std::vector<regex::Range> matches, pattern_.find_all(piece.text, budget));
    if (matches.empty()) return {};
    if (!content_.empty() && matches.size() > budget.max_bytes() / content_.size()) return too_long(budget);
    const regex::Range first = matches.front();
    if (first.begin == 0 && first.end > 0 && (content_.empty() || first.end > utf8_length(piece.text[0]))) {
      piece.at_start =
          false;  // as the reference counts: the replacement stands for the last character that it replaces
    }
    piece.text = replace_ranges(piece.text, matches, content_);
    if (piece.text.size() > budget.max_bytes()) return too_long(budget);
    return {};
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class Strip : public Normalizer {
 public:
  static Made make(const Fields& fields) {
    auto strip = std::make_unique<Strip>();
    NWC_ASSIGN_OR_RETURN(strip->left_, fields.boolean("strip_left"));
    NWC_ASSIGN_OR_RETURN(strip->right_, fields.boolean("strip_right"));
    return Made(std::move(strip));
  }
  Status apply(Piece& piece, Budget&) const override {
    const std::string_view text = piece.text;
    size_t begin = 0;
    size_t end = 0;  // behind the last character that stays
    bool leading = true;
    for (size_t pos = 0; pos < text.size();) {
      const size_t at = pos;
      const bool space = is_white_space(next_code_point(text, pos));
      if (space && leading && left_) begin = pos;
      if (!space) leading = false;
      if (!space || (!right_ && at >= begin)) end = pos;
    }
    if (end < begin) end = begin;
    if (begin > 0) piece.at_start = false;
    piece.text = std::string(text.substr(begin, end - begin));
    return {};
  }

 private:
  bool left_ = false;
  bool right_ = false;
};

class Lowercase : public Normalizer {
 public:
  static Made make(const Fields&) { return Made(std::make_unique<Lowercase>()); }
  Status apply(Piece& piece, Budget&) const override {
    piece.text = lower_case(piece.text);
    return {};
  }
};

template <NormalForm form>
class ToNormalForm : public Normalizer {
 public:
  static Made make(const Fields&) { return Made(std::make_unique<ToNormalForm>()); }
  Status apply(Piece& piece, Budget& budget) const override {
    NWC_ASSIGN_OR_RETURN(piece.text, normalize(piece.text, form));
    if (piece.text.size() > budget.max_bytes()) return too_long(budget);
    return {};
  }
};

// Every byte as its character of the byte-level alphabet.
class ByteLevel : public Normalizer {
 public:
  static Made make(const Fields&) { return Made(std::make_unique<ByteLevel>()); }
  Status apply(Piece& piece, Budget& budget) const override {
    piece.text = to_byte_level(piece.text);
    if (piece.text.size() > budget.max_bytes()) return too_long(budget);
    return {};
  }
};

// What SentencePiece's nmt_ rules do beside a normal form: control characters go, kinds of space become spaces.
class Nmt : public Normalizer {
 public:
  static Made make(const Fields&) { return Made(std::make_unique<Nmt>()); }
  Status apply(Piece& piece, Budget&) const override {
    std::string kept;
    kept.reserve(piece.text.size());
    for (size_t pos = 0; pos < piece.text.size();) {
      const size_t begin = pos;
      const char32_t c = next_code_point(piece.text, pos);
      if ((c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F) {
        if (kept.empty()) piece.at_start = false;
      } else if (c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                 c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD) {
        kept += ' ';
      } else {
        kept.append(piece.text, begin, pos - begin);
      }
    }
    piece.text = std::move(kept);
    return {};
  }
};

Made make_sequence_normalizer(const Fields& fields);

constexpr std::pair<std::string_view, Factory<Normalizer>> kNormalizers[] = {
    {"Sequence", make_sequence_normalizer},
    {"Prepend", Prepend::make},
    {"Replace", Replace::make},
    {"Strip", Strip::make},
    {"StripAccents", make_strip_accents},
    {"Lowercase", Lowercase::make},
    {"BertNormalizer", make_bert_normalizer},
    {"ByteLevel", ByteLevel::make},
    {"Nmt", Nmt::make},
    {"Precompiled", make_precompiled},
    {"NFC", ToNormalForm<NormalForm::kNfc>::make},
    {"NFD", ToNormalForm<NormalForm::kNfd>::make},
    {"NFKC", ToNormalForm<NormalForm::kNfkc>::make},
    {"NFKD", ToNormalForm<NormalForm::kNfkd>::make},
};

class SequenceNormalizer : public Normalizer {
 public:
  explicit SequenceNormalizer(std::vector<std::unique_ptr<Normalizer>> parts) : parts_(std::move(parts)) {}
  Status apply(Piece& piece, Budget& budget) const override {
    for (const auto& part : parts_) NWC_RETURN_IF_ERROR(part->apply(piece, budget));
    return {};
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> parts_;
};

Made make_sequence_normalizer(const Fields& fields) {
  NWC_ASSIGN_OR_RETURN(auto parts, make_sequence<Normalizer>(fields, "normalizers", kNormalizers));
  return Made(std::make_unique<SequenceNormalizer>(std::move(parts)));
}

}  // namespace

Error too_long(const Budget& budget) {
  return Error(ErrorCode::kLimit,
               "the normalizer lengthens the text beyond " + std::to_string(budget.max_bytes()) + " bytes");
}

Result<std::unique_ptr<Normalizer>> make_normalizer(const Json& json) {
  return make_component<Normalizer>(json, "normalizer", kNormalizers);
}

}  // namespace nwc::text
