#include "regex/character_class.h"

#include <string_view>
#include <utility>
#include <vector>

#include "regex/character_sets.h"
#include "regex/escapes.h"
#include "regex/utf8.h"

namespace nwc::regex {
namespace {

constexpr size_t kMaxClassDepth = 32;

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

  void add(const Set& set) {
    if (set.negated) {
      patterns.push_back(set.as_class());
    } else {
      members += set.members;
    }
  }
};

CharacterClass intersection(const std::vector<Union>& sides, bool negated) {
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

class ClassReader {
 public:
  ClassReader(Scanner& scanner, bool ignore_case) : in_(scanner), ignore_case_(ignore_case) {}

  // The scanner is behind the opening bracket.
  Result<CharacterClass> read(size_t depth) {
    if (depth > kMaxClassDepth) return in_.error(ErrorCode::kLimit, "classes are nested too deep");
    const bool negated = in_.peek() == '^';
    if (negated) in_.skip(1);
    std::vector<Union> sides(1);
    for (bool first = true;; first = false) {
      if (in_.done()) return in_.corrupt("a character class is not closed");
      Union& side = sides.back();
      if (in_.peek() == ']' && !first) break;
      if (in_.looking_at("&&")) {
        in_.skip(2);
        sides.emplace_back();
      } else if (in_.peek() == '[') {
        NWC_RETURN_IF_ERROR(bracket(side, depth));
      } else {
        NWC_RETURN_IF_ERROR(member(side));
      }
    }
    in_.skip(1);
    return intersection(sides, negated);
  }

 private:
  // [:name:] or a class within the class.
  Status bracket(Union& side, size_t depth) {
    const std::string_view rest = in_.rest();
    if (const size_t end = rest.find(":]", 2); in_.peek(1) == ':' && end != rest.npos) {
      std::string_view name = rest.substr(2, end - 2);
      const bool negated = name.starts_with('^');
      if (negated) name.remove_prefix(1);
      bool letters = !name.empty();
      for (const char c : name) letters = letters && is_letter(c);
      if (letters) {
        std::optional<std::string> members = posix_set(name);
        if (!members) return in_.unsupported("the character set '" + std::string(name.substr(0, 100)) + "'");
        NWC_RETURN_IF_ERROR(check_case(in_, *members, name));
        side.add(Set{*std::move(members), negated});
        in_.skip(end + 2);
        return {};
      }
    }
    in_.skip(1);
    NWC_ASSIGN_OR_RETURN(CharacterClass inner, read(depth + 1));
    if (inner.members) {
      side.members += *inner.members;
    } else {
      side.patterns.push_back(std::move(inner.pattern));
    }
    return {};
  }

  // A set, a character or a range.
  Status member(Union& side) {
    if (in_.peek() == '\\') {
      const Scanner before = in_;
      NWC_ASSIGN_OR_RETURN(const std::optional<Set> set, read_set_escape(in_, /*in_class=*/true));
      if (set) {
        const std::string_view escape = before.rest().substr(0, in_.position() - before.position());
        NWC_RETURN_IF_ERROR(check_case(before, set->members, escape));
        side.add(*set);
        return {};
      }
    }
    NWC_ASSIGN_OR_RETURN(const std::string low, character());
    side.members += low;
    const std::string_view rest = in_.rest();
    const bool range =
        rest.size() > 1 && rest[0] == '-' && rest[1] != ']' && rest[1] != '[' && !rest.starts_with("-&&");
    if (!range) return {};
    in_.skip(1);
    NWC_ASSIGN_OR_RETURN(const std::string high, character());
    side.members += "-" + high;
    return {};
  }

  Result<std::string> character() {
    const char c = in_.peek();
    if (c == '\\') {
      if (in_.peek(1) != 'b') return read_character_escape(in_);
      in_.skip(2);
      return code_point_escape(0x08);
    }
    const std::string_view character = in_.take(utf8_length(c));
    const bool plain = character.size() > 1 || is_letter(c) || is_digit(c);
    return plain ? std::string(character) : code_point_escape(static_cast<unsigned char>(c));
  }

  // Oniguruma folds the members of a class one by one under (?i), properties too; PCRE2 does not.
  Status check_case(const Scanner& at, std::string_view members, std::string_view name) const {
    if (!ignore_case_ || !depends_on_case(members)) return {};
    return at.unsupported("'" + std::string(name) + "' in a class that ignores case");
  }

  Scanner& in_;
  const bool ignore_case_;
};

}  // namespace

Result<CharacterClass> read_class(Scanner& scanner, bool ignore_case) {
  scanner.skip(1);
  return ClassReader(scanner, ignore_case).read(1);
}

}  // namespace nwc::regex
