#include "text/regex/regex_syntax.h"

#include <optional>
#include <utility>
#include <vector>

#include "text/regex/regex_sets.h"
#include "text/regex/unicode.h"

namespace nwc::text {
namespace {

constexpr size_t kMaxClassDepth = 32;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_octal(char c) { return c >= '0' && c <= '7'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string code_point_escape(uint32_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  do {
    hex.insert(hex.begin(), kDigits[value & 15]);
    value >>= 4;
  } while (value != 0);
  return "\\x{" + hex + "}";
}

// A character set: as members of a class, and whether it is their complement.
struct Set {
  std::string members;
  bool negated = false;

  std::string as_class() const { return (negated ? "[^" : "[") + members + "]"; }
};

class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) { groups_.emplace_back(); }

  Result<std::string> run() {
    while (!done()) NWC_RETURN_IF_ERROR(step());
    if (groups_.size() > 1) return corrupt("a parenthesis is not closed");
    out_.append(groups_.back().options_open, ')');
    return std::move(out_);
  }

 private:
  // An open parenthesis; the first entry is the pattern as a whole.
  struct Group {
    size_t begin = 0;         // of its text in out_
    size_t options_open = 0;  // "(?i:" that isolated options opened and its end must close
    bool outer_ignore_case = false;
  };

  bool done() const { return pos_ >= in_.size(); }
  char peek(size_t ahead = 0) const { return pos_ + ahead < in_.size() ? in_[pos_ + ahead] : '\0'; }
  bool looking_at(std::string_view text) const { return in_.substr(pos_).starts_with(text); }
  Error error(ErrorCode code, std::string_view what) const {
    return Error(code, "byte " + std::to_string(pos_) + ": " + std::string(what));
  }
  Error corrupt(std::string_view what) const { return error(ErrorCode::kCorrupt, what); }
  Error unsupported(std::string_view what) const {
    return error(ErrorCode::kUnsupported, std::string(what) + " is not supported");
  }

  // --- outside of classes

  void begin_item() {
    item_ = out_.size();
    repeated_ = false;
  }
  void emit(std::string_view item) {
    begin_item();
    out_ += item;
  }

  Status step() {
    const char c = peek();
    switch (c) {
      case '\\': return escape();
      case '[': {
        begin_item();
        pos_ += 1;
        NWC_ASSIGN_OR_RETURN(const Class parsed, character_class(1));
        out_ += parsed.pattern;
        return {};
      }
      case '(': return open_group();
      case ')': return close_group();
      case '|':
        pos_ += 1;
        out_ += '|';
        item_.reset();
        return {};
      case '*':
      case '+':
      case '?':
        pos_ += 1;
        NWC_RETURN_IF_ERROR(repeat(std::string(1, c)));
        if (peek() == '?' || peek() == '+') out_ += in_[pos_++];  // lazy, possessive
        return {};
      case '{': return interval();
      default: {
        const size_t length = utf8_length(c);
        emit(c == '}' || c == ']' ? "\\" + std::string(1, c) : std::string(in_.substr(pos_, length)));
        pos_ += length;
        return {};
      }
    }
  }

  Status repeat(std::string_view quantifier) {
    if (!item_) return corrupt("there is nothing to repeat");
    if (repeated_) {
      out_.insert(*item_, "(?:");
      out_ += ')';
    }
    out_ += quantifier;
    repeated_ = true;
    return {};
  }

  Status interval() {
    size_t end = pos_ + 1;
    const auto number = [&] {
      const size_t begin = end;
      while (end < in_.size() && is_digit(in_[end])) ++end;
      return std::string(in_.substr(begin, end - begin));
    };
    const std::string low = number();
    const bool range = end < in_.size() && in_[end] == ',';
    if (range) ++end;
    const std::string high = range ? number() : "";
    const bool closed = end < in_.size() && in_[end] == '}';
    if (!closed || (low.empty() && high.empty())) {
      pos_ += 1;
      emit("\\{");
      return {};
    }
    pos_ = end + 1;
    NWC_RETURN_IF_ERROR(repeat("{" + (low.empty() ? "0" : low) + (range ? "," + high : "") + "}"));
    if (range && peek() == '?') out_ += in_[pos_++];  // lazy; after {n} a question mark means "optional"
    return {};
  }

  Status open_group() {
    Group group;
    group.begin = out_.size();
    group.outer_ignore_case = ignore_case_;
    if (peek(1) == '*') return unsupported("'(*'");
    if (peek(1) != '?') {
      pos_ += 1;
      out_ += '(';
    } else if (const char kind = peek(2); kind == ':' || kind == '=' || kind == '!' || kind == '>') {
      pos_ += 3;
      out_ += "(?" + std::string(1, kind);
    } else if (kind == '<' && (peek(3) == '=' || peek(3) == '!')) {
      out_ += in_.substr(pos_, 4);
      pos_ += 4;
    } else if (kind == '<') {
      pos_ += 3;
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

  Result<std::string> group_name() {
    const size_t end = in_.find('>', pos_);
    const std::string name(end == in_.npos ? "" : in_.substr(pos_, end - pos_));
    for (const char c : name) {
      if (!is_letter(c) && !is_digit(c) && c != '_') return unsupported("this group name");
    }
    if (name.empty()) return corrupt("a group name is empty or not closed");
    pos_ = end + 1;
    return name;
  }

  Status comment() {
    for (pos_ += 3; !done() && peek() != ')'; ++pos_) {
      if (peek() == '\\') ++pos_;
    }
    if (done()) return corrupt("a comment is not closed");
    pos_ += 1;
    return {};
  }

  Status options() {
    size_t end = pos_ + 2;
    std::string flags;
    bool ignore_case = ignore_case_;
    bool off = false;
    for (; end < in_.size() && in_[end] != ':' && in_[end] != ')'; ++end) {
      const char flag = in_[end];
      if (flag == '-') {
        off = true;
        flags += '-';
      } else if (flag == 'i') {
        ignore_case = !off;
        flags += 'i';
      } else if (flag == 'm') {
        flags += 's';
      } else {
        return unsupported("'" + std::string(in_.substr(pos_, end + utf8_length(flag) - pos_)) + "'");
      }
    }
    if (end >= in_.size()) return corrupt("options are not closed");
    const bool isolated = in_[end] == ')';
    Group group;
    group.begin = out_.size();
    group.outer_ignore_case = ignore_case_;
    out_ += "(?" + flags + ":";
    pos_ = end + 1;
    ignore_case_ = ignore_case;
    item_.reset();
    if (isolated) {
      groups_.back().options_open += 1;
    } else {
      groups_.push_back(group);
    }
    return {};
  }

  Status close_group() {
    if (groups_.size() == 1) return corrupt("a closing parenthesis has no opening one");
    const Group group = groups_.back();
    groups_.pop_back();
    out_.append(group.options_open + 1, ')');
    ignore_case_ = group.outer_ignore_case;
    item_ = group.begin;
    repeated_ = false;
    pos_ += 1;
    return {};
  }

  Status escape() {
    const char c = peek(1);
    if (pos_ + 1 >= in_.size()) return corrupt("it ends in a backslash");
    switch (c) {
      case 'A':
      case 'Z':
      case 'z':
      case 'R':
        emit(in_.substr(pos_, 2));
        pos_ += 2;
        return {};
      case 'O': return simple("(?s:.)");
      case 'N': return simple("[^\\n]");
      case 'b': return simple("(?:(?<=" + word() + ")(?!" + word() + ")|(?<!" + word() + ")(?=" + word() + "))");
      case 'B': return simple("(?:(?<=" + word() + ")(?=" + word() + ")|(?<!" + word() + ")(?!" + word() + "))");
      case 'k': {
        if (peek(2) != '<') return unsupported("'\\k' without '<'");
        pos_ += 3;
        NWC_ASSIGN_OR_RETURN(const std::string name, group_name());
        emit("\\k<" + name + ">");
        return {};
      }
      default: break;
    }
    if (c >= '1' && c <= '9') {
      if (is_digit(peek(2))) return unsupported("a back reference or octal escape of several digits");
      return simple("\\g{" + std::string(1, c) + "}");
    }
    NWC_ASSIGN_OR_RETURN(const std::optional<Set> set, set_escape(/*in_class=*/false));
    if (set) {
      const bool one_property = set->members.starts_with("\\p{") && set->members.find('}') == set->members.size() - 1;
      emit(one_property ? (set->negated ? "\\P" : "\\p") + set->members.substr(2) : set->as_class());
      return {};
    }
    NWC_ASSIGN_OR_RETURN(const std::string character, character_escape());
    emit(character);
    return {};
  }

  Status simple(std::string_view item) {
    pos_ += 2;
    emit(item);
    return {};
  }

  static std::string word() { return "[" + std::string(kWordSet) + "]"; }

  // --- escapes that mean the same inside and outside of classes

  // The set that the escape at pos_ stands for, or nullopt (and pos_ as it was) if it stands for a character.
  Result<std::optional<Set>> set_escape(bool in_class) {
    const char c = peek(1);
    std::string_view members;
    switch (c) {
      case 's':
      case 'S': members = kSpaceSet; break;
      case 'w':
      case 'W': members = in_class ? kWordSetInClass : kWordSet; break;
      case 'd':
      case 'D': members = kDigitSet; break;
      case 'h':
      case 'H': members = kHexSet; break;
      case 'p':
      case 'P': return property(in_class);
      default: return std::optional<Set>();
    }
    pos_ += 2;
    return std::optional<Set>(Set{std::string(members), c >= 'A' && c <= 'Z'});
  }

  Result<std::optional<Set>> property(bool in_class) {
    const size_t end = in_.find('}', pos_);
    if (peek(2) != '{' || end == in_.npos) return unsupported("'\\p' without a name in braces");
    bool negated = peek(1) == 'P';
    std::string_view name = in_.substr(pos_ + 3, end - pos_ - 3);
    if (name.starts_with('^')) {
      negated = !negated;
      name.remove_prefix(1);
    }
    NWC_ASSIGN_OR_RETURN(std::string members, known(property_set(name, in_class), name, in_class));
    pos_ = end + 1;
    return std::optional<Set>(Set{std::move(members), negated});
  }

  Result<std::string> known(std::optional<std::string> set, std::string_view name, bool in_class) const {
    if (!set) return unsupported("the character set '" + std::string(name.substr(0, 100)) + "'");
    if (in_class && ignore_case_ && depends_on_case(*set)) {
      return unsupported("'" + std::string(name) + "' in a class that ignores case");
    }
    return *std::move(set);
  }

  // The escape at pos_ as a PCRE2 escape for one character.
  Result<std::string> character_escape() {
    const char c = peek(1);
    const auto control = [&](uint32_t value) {
      pos_ += 2;
      return code_point_escape(value);
    };
    switch (c) {
      case 't': return control(0x09);
      case 'n': return control(0x0A);
      case 'v': return control(0x0B);
      case 'f': return control(0x0C);
      case 'r': return control(0x0D);
      case 'a': return control(0x07);
      case 'e': return control(0x1B);
      case 'x': return peek(2) == '{' ? braced_hex() : plain_hex(2, 0, 2, 0x7F);
      case 'u': return plain_hex(2, 4, 4, 0xFFFF);
      default: break;
    }
    if (is_octal(c)) {
      uint32_t value = 0;
      size_t end = pos_ + 1;
      for (; end < in_.size() && end < pos_ + 4 && is_octal(in_[end]); ++end) value = value * 8 + (in_[end] - '0');
      if (value > 0x7F) return unsupported("a raw byte");
      pos_ = end;
      return code_point_escape(value);
    }
    if (pos_ + 1 >= in_.size()) return corrupt("it ends in a backslash");
    if (is_letter(c) || is_digit(c)) return unsupported("'\\" + std::string(1, c) + "'");
    const size_t length = utf8_length(c);
    std::string character =
        length == 1 && c > ' ' && c != '\x7F' ? "\\" + std::string(1, c) : std::string(in_.substr(pos_ + 1, length));
    pos_ += 1 + length;
    return character;
  }

  Result<std::string> plain_hex(size_t skip, size_t min_digits, size_t max_digits, uint32_t max_value) {
    std::string digits;
    while (digits.size() < max_digits && is_hex(peek(skip + digits.size()))) digits += peek(skip + digits.size());
    if (digits.size() < min_digits) return corrupt("a \\u escape has fewer than four hexadecimal digits");
    const uint32_t value = digits.empty() ? 0 : static_cast<uint32_t>(std::stoul(digits, nullptr, 16));
    if (value > max_value) return unsupported("a raw byte");
    pos_ += skip + digits.size();
    return code_point_escape(value);
  }

  Result<std::string> braced_hex() {
    const size_t end = in_.find('}', pos_);
    const std::string_view digits = end == in_.npos ? "" : in_.substr(pos_ + 3, end - pos_ - 3);
    uint32_t value = 0;
    for (const char c : digits) {
      if (!is_hex(c) || value > 0x10FFFF) return corrupt("a \\x{...} escape is not one code point");
      value = value * 16 + static_cast<uint32_t>(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (digits.empty() || value > 0x10FFFF) return corrupt("a \\x{...} escape is not one code point");
    pos_ = end + 1;
    return code_point_escape(value);
  }

  // --- classes

  struct Class {
    std::string pattern;                 // matches exactly one character
    std::optional<std::string> members;  // if the class is nothing but these members of a PCRE2 class
  };

  // One side of an intersection: the union of members and of whole patterns.
  struct Union {
    std::string members;
    std::vector<std::string> patterns;

    std::string pattern() const {
      if (patterns.empty()) return members.empty() ? "(?!)" : "[" + members + "]";
      std::string alternatives = members.empty() ? "" : "[" + members + "]";
      for (const std::string& p : patterns) alternatives += (alternatives.empty() ? "" : "|") + p;
      return "(?:" + alternatives + ")";
    }
  };

  // pos_ is behind the opening bracket.
  Result<Class> character_class(size_t depth) {
    if (depth > kMaxClassDepth) return error(ErrorCode::kLimit, "classes are nested too deep");
    const bool negated = peek() == '^';
    if (negated) pos_ += 1;
    std::vector<Union> sides(1);
    for (bool first = true;; first = false) {
      if (done()) return corrupt("a character class is not closed");
      Union& side = sides.back();
      if (peek() == ']' && !first) break;
      if (looking_at("&&")) {
        pos_ += 2;
        sides.emplace_back();
      } else if (peek() == '[') {
        NWC_RETURN_IF_ERROR(nested(side, depth));
      } else {
        NWC_RETURN_IF_ERROR(member(side));
      }
    }
    pos_ += 1;
    return combine(sides, negated);
  }

  static Class combine(const std::vector<Union>& sides, bool negated) {
    const Union& last = sides.back();
    if (sides.size() == 1 && last.patterns.empty()) {
      if (negated) return {"[^" + last.members + "]", std::nullopt};
      return {last.pattern(), last.members};
    }
    std::string all;
    for (size_t i = 0; i + 1 < sides.size(); ++i) all += "(?=" + sides[i].pattern() + ")";
    all += last.pattern();
    return {negated ? "(?:(?!" + all + ")(?s:.))" : "(?:" + all + ")", std::nullopt};
  }

  Status nested(Union& side, size_t depth) {
    if (const size_t end = in_.find(":]", pos_ + 2); peek(1) == ':' && end != in_.npos) {
      std::string_view name = in_.substr(pos_ + 2, end - pos_ - 2);
      const bool negated = name.starts_with('^');
      if (negated) name.remove_prefix(1);
      bool letters = !name.empty();
      for (const char c : name) letters = letters && is_letter(c);
      if (letters) {
        NWC_ASSIGN_OR_RETURN(std::string members, known(posix_set(name), name, /*in_class=*/true));
        add(side, Set{std::move(members), negated});
        pos_ = end + 2;
        return {};
      }
    }
    pos_ += 1;
    NWC_ASSIGN_OR_RETURN(Class inner, character_class(depth + 1));
    if (inner.members) {
      side.members += *inner.members;
    } else {
      side.patterns.push_back(std::move(inner.pattern));
    }
    return {};
  }

  static void add(Union& side, const Set& set) {
    if (set.negated) {
      side.patterns.push_back(set.as_class());
    } else {
      side.members += set.members;
    }
  }

  // A set, a character or a range.
  Status member(Union& side) {
    if (peek() == '\\') {
      NWC_ASSIGN_OR_RETURN(const std::optional<Set> set, set_escape(/*in_class=*/true));
      if (set) {
        add(side, *set);
        return {};
      }
    }
    NWC_ASSIGN_OR_RETURN(const std::string low, class_character());
    side.members += low;
    const char next = peek(1);
    const bool range =
        peek() == '-' && pos_ + 1 < in_.size() && next != ']' && next != '[' && !in_.substr(pos_ + 1).starts_with("&&");
    if (!range) return {};
    pos_ += 1;
    NWC_ASSIGN_OR_RETURN(const std::string high, class_character());
    side.members += "-" + high;
    return {};
  }

  Result<std::string> class_character() {
    const char c = peek();
    if (c == '\\') {
      if (peek(1) == 'b') {
        pos_ += 2;
        return code_point_escape(0x08);
      }
      return character_escape();
    }
    const size_t length = utf8_length(c);
    const bool plain = length > 1 || is_letter(c) || is_digit(c);
    std::string character =
        plain ? std::string(in_.substr(pos_, length)) : code_point_escape(static_cast<unsigned char>(c));
    pos_ += length;
    return character;
  }

  std::string_view in_;
  size_t pos_ = 0;
  std::string out_;
  std::optional<size_t> item_;  // where the item begins that a quantifier would repeat
  bool repeated_ = false;       // whether it has a quantifier already
  bool ignore_case_ = false;
  std::vector<Group> groups_;
};

}  // namespace

Result<std::string> oniguruma_to_pcre2(std::string_view pattern) { return Translator(pattern).run(); }

}  // namespace nwc::text
