#include "text/stages/decoder.h"

#include <algorithm>
#include <charconv>

#include "nwcodec/limits.h"
#include "regex/utf8.h"
#include "text/component.h"
#include "text/stages/byte_level.h"
#include "text/stages/metaspace.h"
#include "text/stages/pattern.h"

namespace nwc::text {
namespace {

using Made = Result<std::unique_ptr<Decoder>>;

std::string joined(const std::vector<std::string>& tokens) {
  std::string text;
  for (const std::string& token : tokens) text += token;
  return text;
}

class ByteLevel : public Decoder {
 public:
  static Made make(const Fields&) { return Made(std::make_unique<ByteLevel>()); }
  void apply(std::vector<std::string>& tokens) const override {
    std::string bytes;
    for (const std::string& token : tokens) append_from_byte_level(token, bytes);
    tokens.assign(1, to_valid_utf8(bytes));
  }
};

class Metaspace : public Decoder {
 public:
  static Made make(const Fields& fields) {
    NWC_ASSIGN_OR_RETURN(MetaspaceOptions options, metaspace_options(fields));
    return Made(std::make_unique<Metaspace>(std::move(options)));
  }
  explicit Metaspace(MetaspaceOptions options) : options_(std::move(options)) {}

  void apply(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      const bool drop = i == 0 && options_.prepend != PrependScheme::kNever;
      tokens[i] = replace_ranges(tokens[i], find_literal(tokens[i], options_.replacement), drop ? "" : " ");
    }
  }

 private:
  MetaspaceOptions options_;
};

// Runs of tokens "<0xE2>" become the text whose bytes they are; if that is not UTF-8, one U+FFFD per byte.
class ByteFallback : public Decoder {
 public:
  static Made make(const Fields&) { return Made(std::make_unique<ByteFallback>()); }
  void apply(std::vector<std::string>& tokens) const override {
    std::vector<std::string> decoded;
    std::string bytes;
    const auto flush = [&] {
      if (bytes.empty()) return;
      if (is_valid_utf8(bytes)) {
        decoded.push_back(bytes);
      } else {
        decoded.insert(decoded.end(), bytes.size(), "\xEF\xBF\xBD");
      }
      bytes.clear();
    };
    for (std::string& token : tokens) {
      if (const int byte = byte_of(token); byte >= 0) {
        bytes.push_back(static_cast<char>(byte));
      } else {
        flush();
        decoded.push_back(std::move(token));
      }
    }
    flush();
    tokens = std::move(decoded);
  }

 private:
  // -1 if the token stands for no byte.
  static int byte_of(const std::string& token) {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
    unsigned byte = 0;
    const char* const end = token.data() + 5;
    const auto [rest, status] = std::from_chars(token.data() + 3, end, byte, 16);
    return status == std::errc() && rest == end ? static_cast<int>(byte) : -1;
  }
};

class Fuse : public Decoder {
 public:
  static Made make(const Fields&) { return Made(std::make_unique<Fuse>()); }
  void apply(std::vector<std::string>& tokens) const override { tokens.assign(1, joined(tokens)); }
};

// Takes up to `start` and `stop` copies of a character from the two ends of every token.
class Strip : public Decoder {
 public:
  static Made make(const Fields& fields) {
    auto strip = std::make_unique<Strip>();
    NWC_ASSIGN_OR_RETURN(strip->content_, fields.character("content"));
    NWC_ASSIGN_OR_RETURN(strip->start_, fields.count("start", limits::kMaxText));
    NWC_ASSIGN_OR_RETURN(strip->stop_, fields.count("stop", limits::kMaxText));
    return Made(std::move(strip));
  }
  void apply(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) {
      std::string_view rest = token;
      for (size_t i = 0; i < start_ && rest.starts_with(content_); ++i) rest.remove_prefix(content_.size());
      for (size_t i = 0; i < stop_ && rest.ends_with(content_); ++i) rest.remove_suffix(content_.size());
      token = std::string(rest);
    }
  }

 private:
  std::string content_;
  size_t start_ = 0;
  size_t stop_ = 0;
};

class Replace : public Decoder {
 public:
  static Made make(const Fields& fields) {
    auto replace = std::make_unique<Replace>();
    NWC_ASSIGN_OR_RETURN(const Pattern pattern, Pattern::from(fields, "pattern"));
    if (!pattern.literal())
      return fields.error(ErrorCode::kUnsupported, "a decoder with a regular expression is not supported");
    replace->pattern_ = *pattern.literal();
    NWC_ASSIGN_OR_RETURN(replace->content_, fields.string("content"));
    return Made(std::move(replace));
  }
  void apply(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) token = replace_ranges(token, find_literal(token, pattern_), content_);
  }
  double growth() const override {
    return std::max(1.0, static_cast<double>(content_.size()) / static_cast<double>(pattern_.size()));
  }

 private:
  std::string pattern_;
  std::string content_;
};

// Tokens with the prefix continue the word before them, others begin one; "cleanup" mends English punctuation.
class WordPiece : public Decoder {
 public:
  static Made make(const Fields& fields) {
    auto pieces = std::make_unique<WordPiece>();
    NWC_ASSIGN_OR_RETURN(pieces->prefix_, fields.string("prefix"));
    NWC_ASSIGN_OR_RETURN(pieces->cleanup_, fields.boolean("cleanup"));
    return Made(std::move(pieces));
  }
  void apply(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      std::string& token = tokens[i];
      if (i > 0 && token.starts_with(prefix_)) {
        token.erase(0, prefix_.size());
      } else if (i > 0) {
        token.insert(0, 1, ' ');
      }
      if (!cleanup_) continue;
      for (const auto& [dirty, clean] : kCleanups) token = replace_ranges(token, find_literal(token, dirty), clean);
    }
  }
  double growth() const override { return 2; }  // a space before each token

 private:
  static constexpr std::pair<std::string_view, std::string_view> kCleanups[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  std::string prefix_;
  bool cleanup_ = false;
};

// The suffix that ends a word becomes a space, except at the end.
class Bpe : public Decoder {
 public:
  static Made make(const Fields& fields) {
    auto bpe = std::make_unique<Bpe>();
    NWC_ASSIGN_OR_RETURN(bpe->suffix_, fields.string("suffix"));
    if (bpe->suffix_.empty()) return fields.error(ErrorCode::kUnsupported, "an empty suffix is not supported");
    return Made(std::move(bpe));
  }
  void apply(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens)
      token = replace_ranges(token, find_literal(token, suffix_), &token == &tokens.back() ? "" : " ");
  }

 private:
  std::string suffix_;
};

Made make_sequence_decoder(const Fields& fields);

constexpr std::pair<std::string_view, Factory<Decoder>> kDecoders[] = {
    {"Sequence", make_sequence_decoder},  {"ByteLevel", ByteLevel::make}, {"Metaspace", Metaspace::make},
    {"ByteFallback", ByteFallback::make}, {"Fuse", Fuse::make},           {"Strip", Strip::make},
    {"Replace", Replace::make},           {"WordPiece", WordPiece::make}, {"BPEDecoder", Bpe::make},
};

class SequenceDecoder : public Decoder {
 public:
  explicit SequenceDecoder(std::vector<std::unique_ptr<Decoder>> parts) : parts_(std::move(parts)) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (const auto& part : parts_) part->apply(tokens);
  }
  double growth() const override {
    double all = 1;
    for (const auto& part : parts_) all *= part->growth();
    return all;
  }

 private:
  std::vector<std::unique_ptr<Decoder>> parts_;
};

Made make_sequence_decoder(const Fields& fields) {
  NWC_ASSIGN_OR_RETURN(auto parts, make_sequence<Decoder>(fields, "decoders", kDecoders));
  return Made(std::make_unique<SequenceDecoder>(std::move(parts)));
}

}  // namespace

Result<std::unique_ptr<Decoder>> make_decoder(const Json& json) {
  NWC_ASSIGN_OR_RETURN(std::unique_ptr<Decoder> decoder, make_component<Decoder>(json, "decoder", kDecoders));
  if (decoder != nullptr && decoder->growth() > static_cast<double>(limits::kMaxTextGrowth)) {
    return Error(ErrorCode::kLimit, "decoder: its replacements could lengthen text more than " +
                                        std::to_string(limits::kMaxTextGrowth) + " times");
  }
  return decoder;
}

}  // namespace nwc::text
