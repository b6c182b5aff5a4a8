#include "regex/character_sets.h"

#include <span>
#include <utility>

#include "regex/property_members.h"
#include "regex/scanner.h"

namespace nwc::regex {
namespace {

using NamedSet = std::pair<std::string_view, std::string_view>;

// With categories and properties that written_out() replaces.
constexpr std::string_view kWord = R"(\p{alphabetic}\p{M}\p{Nd}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";
constexpr std::string_view kWordInClass = R"(\p{alphabetic}\p{M}\p{Nd}\p{Pc})";
constexpr std::string_view kSpace = R"(\p{whitespace})";
constexpr std::string_view kDigit = R"(\p{Nd})";

constexpr NamedSet kPosixSets[] = {
    {"alnum", R"(\p{alphabetic}\p{Nd})"},
    {"alpha", R"(\p{alphabetic})"},
    {"ascii", R"(\x{0}-\x{7f})"},
    {"blank", R"(\p{Zs}\x{9})"},
    {"cntrl", R"(\p{Cc})"},
    {"digit", kDigit},
    {"graph", R"(\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Co})"},
    {"lower", R"(\p{lowercase})"},
    {"print", R"(\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Co}\p{Zs})"},
    {"punct", R"(\p{P}\p{S})"},
    {"space", kSpace},
    {"upper", R"(\p{uppercase})"},
    {"word", kWordInClass},
    {"xdigit", kHexSet},
};

// Names that Oniguruma knows as properties and PCRE2 under another name, or that mean something else than the POSIX set
// of that name.
constexpr NamedSet kPropertySets[] = {
    {"any", R"(\x{0}-\x{10ffff})"},
    {"assigned", R"(\p{L}\p{M}\p{N}\p{P}\p{S}\p{Z}\p{Cc}\p{Cf}\p{Co}\p{Cs})"},
    {"punct", R"(\p{P})"},
    {"lowercase", R"(\p{lowercase})"},
    {"uppercase", R"(\p{uppercase})"},
};

// Short and long names of Unicode's general categories, plain.
constexpr NamedSet kCategories[] = {
    {"C", "other"},
    {"Cc", "control"},
    {"Cf", "format"},
    {"Cn", "unassigned"},
    {"Co", "privateuse"},
    {"Cs", "surrogate"},
    {"L", "letter"},
    {"L&", "casedletter"},
    {"L&", "lc"},
    {"Ll", "lowercaseletter"},
    {"Lm", "modifierletter"},
    {"Lo", "otherletter"},
    {"Lt", "titlecaseletter"},
    {"Lu", "uppercaseletter"},
    {"M", "mark"},
    {"M", "combiningmark"},
    {"Mc", "spacingmark"},
    {"Me", "enclosingmark"},
    {"Mn", "nonspacingmark"},
    {"N", "number"},
    {"Nd", "decimalnumber"},
    {"Nl", "letternumber"},
    {"No", "othernumber"},
    {"P", "punctuation"},
    {"Pc", "connectorpunctuation"},
    {"Pd", "dashpunctuation"},
    {"Pe", "closepunctuation"},
    {"Pf", "finalpunctuation"},
    {"Pi", "initialpunctuation"},
    {"Po", "otherpunctuation"},
    {"Ps", "openpunctuation"},
    {"S", "symbol"},
    {"Sc", "currencysymbol"},
    {"Sk", "modifiersymbol"},
    {"Sm", "mathsymbol"},
    {"So", "othersymbol"},
    {"Z", "separator"},
    {"Zl", "lineseparator"},
    {"Zp", "paragraphseparator"},
    {"Zs", "spaceseparator"},
};

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Without spaces, '-' and '_', in lower case; nullopt if there is anything but letters.
std::optional<std::string> plain_name(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    if (c == ' ' || c == '-' || c == '_') continue;
    if (!is_letter(c)) return std::nullopt;
    plain.push_back(to_lower(c));
  }
  return plain;
}

std::optional<std::string> find_in(std::span<const NamedSet> sets, std::string_view name) {
  for (const auto& [known, set] : sets) {
    if (name == known) return written_out(set);
  }
  return std::nullopt;
}

std::optional<std::string> category(std::string_view plain) {
  for (const auto& [short_name, long_name] : kCategories) {
    const bool is_short = plain.size() == short_name.size() && plain[0] == to_lower(short_name[0]) &&
                          plain.substr(1) == short_name.substr(1);
    if (is_short || plain == long_name) return category_members(short_name);
  }
  return std::nullopt;
}

}  // namespace

const std::string& word_set() {
  static const std::string set = written_out(kWord);
  return set;
}

const std::string& word_set_in_class() {
  static const std::string set = written_out(kWordInClass);
  return set;
}

const std::string& space_set() {
  static const std::string set = written_out(kSpace);
  return set;
}

const std::string& digit_set() {
  static const std::string set = written_out(kDigit);
  return set;
}

std::optional<std::string> posix_set(std::string_view name) { return find_in(kPosixSets, name); }

std::optional<std::string> property_set(std::string_view name, bool in_class) {
  const std::optional<std::string> plain = plain_name(name);
  if (!plain || plain->empty()) return std::nullopt;
  if (*plain == "word" && !in_class) return word_set();
  if (std::optional<std::string> set = find_in(kPropertySets, *plain)) return set;
  if (std::optional<std::string> set = posix_set(*plain)) return set;
  if (std::optional<std::string> set = category(*plain)) return set;
  return property_members(*plain);
}

bool depends_on_case(std::string_view set) {
  for (const char* cased : {"Lu", "Ll", "Lt"}) {
    if (set == category_members(cased)) return true;
  }
  return set == property_members("lowercase") || set == property_members("uppercase");
}

}  // namespace nwc::regex
