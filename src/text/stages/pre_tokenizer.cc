#include "text/stages/pre_tokenizer.h"

#include <optional>

#include "nwcodec/limits.h"
#include "regex/utf8.h"
#include "text/component.h"
#include "text/stages/byte_level.h"
#include "text/stages/metaspace.h"
#include "text/stages/pattern.h"
#include "text/stages/split.h"
#include "text/unicode.h"

namespace nwc::text {
namespace {

using Made = Result<std::unique_ptr<PreTokenizer>>;

class ByteLevel : public PreTokenizer {
 public:
  static Made make(const Fields& fields) {
    auto byte_level = std::make_unique<ByteLevel>();
    NWC_ASSIGN_OR_RETURN(byte_level->add_prefix_space_, fields.boolean("add_prefix_space"));
    NWC_ASSIGN_OR_RETURN(const bool use_regex, fields.boolean("use_regex", true));
    if (use_regex) {
      NWC_ASSIGN_OR_RETURN(byte_level->words_, regex::Regex::compile(kByteLevelPattern, regex::Syntax::kOniguruma));
    }
    return Made(std::move(byte_level));
  }
  Status split(Piece piece, Budget& budget, std::vector<Piece>& out) const override {
    if (add_prefix_space_ && !piece.text.starts_with(' ')) piece.text.insert(0, 1, ' ');
    const size_t first = out.size();
    if (words_) {
      NWC_ASSIGN_OR_RETURN(const std::vector<regex::Range> words, words_->find_all(piece.text, budget));
      split_piece(piece, segments_of(piece.text.size(), words), SplitBehavior::kIsolated, out);
    } else {
      out.push_back(std::move(piece));
    }
    for (size_t i = first; i < out.size(); ++i) out[i].text = to_byte_level(out[i].text);
    return {};
  }

 private:
  bool add_prefix_space_ = false;
  std::optional<regex::Regex> words_;
};

class Split : public PreTokenizer {
 public:
  static Made make(const Fields& fields) {
    NWC_ASSIGN_OR_RETURN(Pattern pattern, Pattern::from(fields, "pattern"));
    NWC_ASSIGN_OR_RETURN(const SplitBehavior behavior, split_behavior(fields, "behavior"));
    NWC_ASSIGN_OR_RETURN(const bool invert, fields.boolean("invert", false));
    return Made(std::make_unique<Split>(std::move(pattern), behavior, invert));
  }
  Split(Pattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  Status split(Piece piece, Budget& budget, std::vector<Piece>& out) const override {
    NWC_ASSIGN_OR_RETURN(const std::vector<regex::Range> matches, pattern_.find_all(piece.text, budget));
    std::vector<Segment> segments = segments_of(piece.text.size(), matches);
    if (invert_) invert(segments);
    split_piece(piece, segments, behavior_, out);
    return {};
  }

 private:
  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

class Metaspace : public PreTokenizer {
 public:
  static Made make(const Fields& fields) {
    NWC_ASSIGN_OR_RETURN(MetaspaceOptions options, metaspace_options(fields));
    return Made(std::make_unique<Metaspace>(std::move(options)));
  }
  explicit Metaspace(MetaspaceOptions options) : options_(std::move(options)) {}

  Status split(Piece piece, Budget&, std::vector<Piece>& out) const override {
    const std::string& space = options_.replacement;
    piece.text = replace_ranges(piece.text, find_literal(piece.text, " "), space);
    const bool prepend =
        options_.prepend == PrependScheme::kAlways || (options_.prepend == PrependScheme::kFirst && piece.at_start);
    if (prepend && !piece.text.starts_with(space)) piece.text.insert(0, space);
    if (options_.split) {
      split_piece(piece, segments_of(piece.text.size(), find_literal(piece.text, space)),
                  SplitBehavior::kMergedWithNext, out);
    } else {
      out.push_back(std::move(piece));
    }
    return {};
  }

 private:
  MetaspaceOptions options_;
};

// Splits at characters of one kind.
class AtCharacters : public PreTokenizer {
 public:
  AtCharacters(bool (*is_delimiter)(char32_t), SplitBehavior behavior)
      : is_delimiter_(is_delimiter), behavior_(behavior) {}

  static Made digits(const Fields& fields) {
    NWC_ASSIGN_OR_RETURN(const bool individual, fields.boolean("individual_digits"));
    return Made(
        std::make_unique<AtCharacters>(is_numeric, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous));
  }
  static Made punctuation(const Fields& fields) {
    SplitBehavior behavior = SplitBehavior::kIsolated;
    if (fields.find("behavior") != nullptr) {
      NWC_ASSIGN_OR_RETURN(behavior, split_behavior(fields, "behavior"));
    }
    return Made(std::make_unique<AtCharacters>(is_punctuation, behavior));
  }
  static Made white_space(const Fields&) {
    return Made(std::make_unique<AtCharacters>(is_white_space, SplitBehavior::kRemoved));
  }

  Status split(Piece piece, Budget&, std::vector<Piece>& out) const override {
    split_piece(piece, segments_of(piece.text, is_delimiter_), behavior_, out);
    return {};
  }

 private:
  bool (*is_delimiter_)(char32_t);
  SplitBehavior behavior_;
};

// Runs of word characters and runs of other characters, white space removed.
class Whitespace : public PreTokenizer {
 public:
  static Made make(const Fields&) { return Made(std::make_unique<Whitespace>()); }
  Status split(Piece piece, Budget&, std::vector<Piece>& out) const override {
    enum class Kind { kSpace, kWord, kOther };
    std::vector<Segment> segments;
    Kind previous = Kind::kSpace;
    for (size_t pos = 0; pos < piece.text.size();) {
      const size_t begin = pos;
      const char32_t c = next_code_point(piece.text, pos);
      const Kind kind = is_word(c) ? Kind::kWord : is_white_space(c) ? Kind::kSpace : Kind::kOther;
      if (!segments.empty() && kind == previous) {
        segments.back().end = pos;
      } else {
        segments.push_back({begin, pos, kind == Kind::kSpace});
      }
      previous = kind;
    }
    split_piece(piece, segments, SplitBehavior::kRemoved, out);
    return {};
  }
};

// At white space, which goes, and at punctuation.
class Bert : public PreTokenizer {
 public:
  static Made make(const Fields&) { return Made(std::make_unique<Bert>()); }
  Status split(Piece piece, Budget&, std::vector<Piece>& out) const override {
    std::vector<Piece> words;
    split_piece(piece, segments_of(piece.text, is_white_space), SplitBehavior::kRemoved, words);
    for (const Piece& word : words)
      split_piece(word, segments_of(word.text, is_punctuation), SplitBehavior::kIsolated, out);
    return {};
  }
};

// At one character, which goes.
class AtDelimiter : public PreTokenizer {
 public:
  static Made make(const Fields& fields) {
    auto at = std::make_unique<AtDelimiter>();
    NWC_ASSIGN_OR_RETURN(at->delimiter_, fields.character("delimiter"));
    return Made(std::move(at));
  }
  Status split(Piece piece, Budget&, std::vector<Piece>& out) const override {
    split_piece(piece, segments_of(piece.text.size(), find_literal(piece.text, delimiter_)), SplitBehavior::kRemoved,
                out);
    return {};
  }

 private:
  std::string delimiter_;
};

// Into pieces of so many characters.
class FixedLength : public PreTokenizer {
 public:
  static Made make(const Fields& fields) {
    auto fixed = std::make_unique<FixedLength>();
    if (fields.find("length") != nullptr) {
      NWC_ASSIGN_OR_RETURN(fixed->length_, fields.count("length", limits::kMaxText));
    }
    if (fixed->length_ == 0) return fields.error(ErrorCode::kCorrupt, "'length' is 0");
    return Made(std::move(fixed));
  }
  Status split(Piece piece, Budget&, std::vector<Piece>& out) const override {
    std::vector<Segment> segments;
    size_t characters = 0;
    for (size_t pos = 0; pos < piece.text.size(); ++characters) {
      if (characters % length_ == 0) segments.push_back({pos, pos, false});
      pos += utf8_length(piece.text[pos]);
      segments.back().end = pos;
    }
    split_piece(piece, segments, SplitBehavior::kIsolated, out);
    return {};
  }

 private:
  size_t length_ = 5;
};

Made make_sequence_pre_tokenizer(const Fields& fields);

constexpr std::pair<std::string_view, Factory<PreTokenizer>> kPreTokenizers[] = {
    {"Sequence", make_sequence_pre_tokenizer},
    {"ByteLevel", ByteLevel::make},
    {"Split", Split::make},
    {"Metaspace", Metaspace::make},
    {"Digits", AtCharacters::digits},
    {"Punctuation", AtCharacters::punctuation},
    {"Whitespace", Whitespace::make},
    {"WhitespaceSplit", AtCharacters::white_space},
    {"BertPreTokenizer", Bert::make},
    {"CharDelimiterSplit", AtDelimiter::make},
    {"FixedLength", FixedLength::make},
};

class SequencePreTokenizer : public PreTokenizer {
 public:
  explicit SequencePreTokenizer(std::vector<std::unique_ptr<PreTokenizer>> parts) : parts_(std::move(parts)) {}
  Status split(Piece piece, Budget& budget, std::vector<Piece>& out) const override {
    std::vector<Piece> pieces;
    pieces.push_back(std::move(piece));
    for (const auto& part : parts_) {
      std::vector<Piece> next;
      for (Piece& p : pieces) NWC_RETURN_IF_ERROR(part->split(std::move(p), budget, next));
      pieces = std::move(next);
      // A part at most quadruples its text, so checking between parts is soon enough.
      size_t bytes = 0;
      for (const Piece& p : pieces) bytes += p.text.size();
      if (bytes > budget.max_bytes()) {
        return Error(ErrorCode::kLimit,
                     "the pre_tokenizer lengthens the text beyond " + std::to_string(budget.max_bytes()) + " bytes");
      }
    }
    std::move(pieces.begin(), pieces.end(), std::back_inserter(out));
    return {};
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> parts_;
};

Made make_sequence_pre_tokenizer(const Fields& fields) {
  NWC_ASSIGN_OR_RETURN(auto parts, make_sequence<PreTokenizer>(fields, "pretokenizers", kPreTokenizers));
  return Made(std::make_unique<SequencePreTokenizer>(std::move(parts)));
}

}  // namespace

Result<std::unique_ptr<PreTokenizer>> make_pre_tokenizer(const Json& json) {
  return make_component<PreTokenizer>(json, "pre_tokenizer", kPreTokenizers);
}

}  // namespace nwc::text
