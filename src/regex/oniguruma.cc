#include "regex/oniguruma.h"

#include <optional>
#include <utility>

#include "regex/character_class.h"
#include "regex/character_sets.h"
#include "regex/escapes.h"
#include "regex/scanner.h"
#include "regex/utf8.h"

namespace nwc::regex {

void SourceMap::insert(size_t translated, size_t bytes) {
  for (Mark& mark : marks_) {
    if (mark.translated > translated) mark.translated += bytes;
  }
}

size_t SourceMap::origin(size_t translated) const {
  size_t original = 0;
  for (const Mark& mark : marks_) {
    if (mark.translated <= translated) original = mark.original;
  }
  return original;
}

namespace {

class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) { groups_.emplace_back(); }

  Result<Translation> run() {
    while (!in_.done()) {
      source_.add(out_.size(), in_.position());
      NWC_RETURN_IF_ERROR(step());
    }
    source_.add(out_.size(), in_.position());
    if (groups_.size() > 1) return in_.corrupt("a parenthesis is not closed");
    out_.append(groups_.back().options_open, ')');
    return Translation{std::move(out_), std::move(source_)};
  }

 private:
  // An open parenthesis; the first entry is the pattern as a whole.
  struct Group {
    size_t begin = 0;         // of its text in out_
    size_t options_open = 0;  // "(?i:" that isolated options opened and its end must close
    bool outer_ignore_case = false;
  };

  void begin_item() {
    item_ = out_.size();
    repeated_ = false;
  }
  void emit(std::string_view item) {
    begin_item();
    out_ += item;
  }
  // For an escape of one letter.
  Status emit_for_escape(std::string_view item) {
    in_.skip(2);
    emit(item);
    return {};
  }

  Status step() {
    const char c = in_.peek();
    switch (c) {
      case '\\': return escape();
      case '[': {
        begin_item();
        NWC_ASSIGN_OR_RETURN(const CharacterClass parsed, read_class(in_, ignore_case_));
        out_ += parsed.pattern;
        return {};
      }
      case '(': return open_group();
      case ')': return close_group();
      case '|':
        in_.skip(1);
        out_ += '|';
        item_.reset();
        return {};
      case '*':
      case '+':
      case '?':
        in_.skip(1);
        NWC_RETURN_IF_ERROR(repeat(std::string(1, c)));
        if (in_.peek() == '?' || in_.peek() == '+') out_ += in_.take(1);  // lazy, possessive
        return {};
      case '{': return interval();
      case '}':
      case ']': emit("\\" + std::string(in_.take(1))); return {};
      default: emit(in_.take(utf8_length(c))); return {};
    }
  }

  // --- repetitions

  Status repeat(std::string_view quantifier) {
    if (!item_) return in_.corrupt("there is nothing to repeat");
    if (repeated_) {
      out_.insert(*item_, "(?:");
      source_.insert(*item_, 3);
      out_ += ')';
    }
    out_ += quantifier;
    repeated_ = true;
    return {};
  }

  Status interval() {
    size_t end = 1;
    const auto number = [&] {
      const size_t begin = end;
      while (is_digit(in_.peek(end))) ++end;
      return std::string(in_.rest().substr(begin, end - begin));
    };
    const std::string low = number();
    const bool range = in_.peek(end) == ',';
    if (range) ++end;
    const std::string high = range ? number() : "";
    if (in_.peek(end) != '}' || (low.empty() && high.empty())) {
      in_.skip(1);
      emit("\\{");
      return {};
    }
    in_.skip(end + 1);
    NWC_RETURN_IF_ERROR(repeat("{" + (low.empty() ? "0" : low) + (range ? "," + high : "") + "}"));
    if (range && in_.peek() == '?') out_ += in_.take(1);  // lazy; after {n} a question mark means "optional"
    return {};
  }

  // --- groups and options

  Status open_group() {
    Group group;
    group.begin = out_.size();
    group.outer_ignore_case = ignore_case_;
    if (in_.peek(1) == '*') return in_.unsupported("'(*'");
    if (in_.peek(1) != '?') {
      out_ += in_.take(1);
    } else if (const char kind = in_.peek(2); kind == ':' || kind == '=' || kind == '!' || kind == '>') {
      out_ += in_.take(3);
    } else if (kind == '<' && (in_.peek(3) == '=' || in_.peek(3) == '!')) {
      out_ += in_.take(4);
    } else if (kind == '<') {
      in_.skip(3);
      NWC_ASSIGN_OR_RETURN(const std::string name, group_name());
      out_ += "(?<" + name + ">";
    } else if (kind == '#') {
      return comment();
    } else {
      return options();
    }
    groups_.push_back(group);
    item_.reset();
    return {};
  }

  Status close_group() {
    if (groups_.size() == 1) return in_.corrupt("a closing parenthesis has no opening one");
    const Group group = groups_.back();
    groups_.pop_back();
    out_.append(group.options_open + 1, ')');
    ignore_case_ = group.outer_ignore_case;
    item_ = group.begin;
    repeated_ = false;
    in_.skip(1);
    return {};
  }

  Result<std::string> group_name() {
    const std::string_view rest = in_.rest();
    const size_t end = rest.find('>');
    const std::string name(end == rest.npos ? "" : rest.substr(0, end));
    for (const char c : name) {
      if (!is_letter(c) && !is_digit(c) && c != '_') return in_.unsupported("this group name");
    }
    if (name.empty()) return in_.corrupt("a group name is empty or not closed");
    in_.skip(end + 1);
    return name;
  }

  Status comment() {
    for (in_.skip(3); !in_.done() && in_.peek() != ')'; in_.skip(1)) {
      if (in_.peek() == '\\' && in_.rest().size() > 1) in_.skip(1);
    }
    if (in_.done()) return in_.corrupt("a comment is not closed");
    in_.skip(1);
    return {};
  }

  // "(?im-im)" or "(?im-im:".
  Status options() {
    const std::string_view rest = in_.rest();
    size_t end = 2;
    std::string flags;
    bool ignore_case = ignore_case_;
    bool off = false;
    for (; end < rest.size() && rest[end] != ':' && rest[end] != ')'; ++end) {
      const char flag = rest[end];
      if (flag == '-') {
        off = true;
        flags += '-';
      } else if (flag == 'i') {
        ignore_case = !off;
        flags += 'i';
      } else if (flag == 'm') {
        flags += 's';
      } else {
        return in_.unsupported("'" + std::string(rest.substr(0, end + utf8_length(flag))) + "'");
      }
    }
    if (end >= rest.size()) return in_.corrupt("options are not closed");
    if (rest[end] == ')') {
      groups_.back().options_open += 1;
    } else {
      groups_.push_back({.begin = out_.size(), .options_open = 0, .outer_ignore_case = ignore_case_});
    }
    out_ += "(?" + flags + ":";
    in_.skip(end + 1);
    ignore_case_ = ignore_case;
    item_.reset();
    return {};
  }

  // --- escapes

  Status escape() {
    const char c = in_.peek(1);
    if (in_.rest().size() < 2) return in_.corrupt("it ends in a backslash");
    static const std::string kWord = "[" + word_set() + "]";
    switch (c) {
      case 'A':
      case 'Z':
      case 'z':
      case 'R': emit(in_.take(2)); return {};
      case 'O': return emit_for_escape("(?s:.)");
      case 'N': return emit_for_escape("[^\\n]");
      case 'b': return emit_for_escape("(?:(?<=" + kWord + ")(?!" + kWord + ")|(?<!" + kWord + ")(?=" + kWord + "))");
      case 'B': return emit_for_escape("(?:(?<=" + kWord + ")(?=" + kWord + ")|(?<!" + kWord + ")(?!" + kWord + "))");
      case 'k': {
        if (in_.peek(2) != '<') return in_.unsupported("'\\k' without '<'");
        in_.skip(3);
        NWC_ASSIGN_OR_RETURN(const std::string name, group_name());
        emit("\\k<" + name + ">");
        return {};
      }
      default: break;
    }
    if (c >= '1' && c <= '9') {
      if (is_digit(in_.peek(2))) return in_.unsupported("a back reference or octal escape of several digits");
      return emit_for_escape("\\g{" + std::string(1, c) + "}");
    }
    NWC_ASSIGN_OR_RETURN(const std::optional<Set> set, read_set_escape(in_, /*in_class=*/false));
    if (set) {
      emit_set(*set);
      return {};
    }
    NWC_ASSIGN_OR_RETURN(const std::string character, read_character_escape(in_));
    emit(character);
    return {};
  }

  void emit_set(const Set& set) {
    const bool one_property = set.members.starts_with("\\p{") && set.members.find('}') == set.members.size() - 1;
    const std::string item = one_property ? (set.negated ? "\\P" : "\\p") + set.members.substr(2) : set.as_class();
    // Versions of PCRE2 differ in what (?i) does to \p{Lu}; to Oniguruma it does nothing.
    emit(ignore_case_ && depends_on_case(set.members) ? "(?-i:" + item + ")" : item);
  }

  Scanner in_;
  std::string out_;
  SourceMap source_;
  std::optional<size_t> item_;  // where the item begins that a quantifier would repeat
  bool repeated_ = false;       // whether it has a quantifier already
  bool ignore_case_ = false;
  std::vector<Group> groups_;
};

}  // namespace

Result<Translation> oniguruma_to_pcre2(std::string_view pattern) { return Translator(pattern).run(); }

}  // namespace nwc::regex
