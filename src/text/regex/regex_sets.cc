#include "text/regex/regex_sets.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <utility>

namespace nwc::text {
namespace {

constexpr std::pair<std::string_view, std::string_view> kPosixSets[] = {
    {"alnum", R"(\p{Alphabetic}\p{Nd})"},
    {"alpha", R"(\p{Alphabetic})"},
    {"ascii", R"(\x{0}-\x{7f})"},
    {"blank", R"(\p{Zs}\x{9})"},
    {"cntrl", R"(\p{Cc})"},
    {"digit", kDigitSet},
    {"graph", R"(\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Co})"},
    {"lower", R"(\p{Lowercase})"},
    {"print", R"(\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Co}\p{Zs})"},
    {"punct", R"(\p{P}\p{S})"},
    {"space", kSpaceSet},
    {"upper", R"(\p{Uppercase})"},
    {"word", kWordSetInClass},
    {"xdigit", kHexSet},
};

std::string property(std::string_view name) { return "\\p{" + std::string(name) + "}"; }

// The names that Oniguruma knows as properties beside Unicode's, where they differ from the POSIX set of that name.
constexpr std::pair<std::string_view, std::string_view> kPropertySets[] = {
    {"any", R"(\x{0}-\x{10ffff})"},
    {"assigned", R"(\p{L}\p{M}\p{N}\p{P}\p{S}\p{Z}\p{Cc}\p{Cf}\p{Co}\p{Cs})"},
    {"punct", R"(\p{P})"},
};

}  // namespace

std::optional<std::string> posix_set(std::string_view name) {
  for (const auto& [known, set] : kPosixSets) {
    if (name == known) return std::string(set);
  }
  return std::nullopt;
}

std::optional<std::string> property_set(std::string_view name, bool in_class) {
  std::string plain;
  for (const char c : name) {
    if (c == ' ' || c == '-' || c == '_') continue;
    const bool upper = c >= 'A' && c <= 'Z';
    const bool lower = c >= 'a' && c <= 'z';
    if (!upper && !lower) return std::nullopt;
    plain.push_back(upper ? static_cast<char>(c - 'A' + 'a') : c);
  }
  if (plain == "word" && !in_class) return std::string(kWordSet);
  for (const auto& [known, set] : kPropertySets) {
    if (plain == known) return std::string(set);
  }
  if (std::optional<std::string> set = posix_set(plain)) return set;
  if (const int32_t category = u_getPropertyValueEnum(UCHAR_GENERAL_CATEGORY_MASK, plain.c_str());
      category != UCHAR_INVALID_CODE) {
    if (static_cast<uint32_t>(category) == U_GC_LC_MASK) return property("L&");
    const char* category_name = u_getPropertyValueName(UCHAR_GENERAL_CATEGORY_MASK, category, U_SHORT_PROPERTY_NAME);
    if (category_name != nullptr) return property(category_name);
  }
  if (const int32_t script = u_getPropertyValueEnum(UCHAR_SCRIPT, plain.c_str()); script != UCHAR_INVALID_CODE) {
    return property("script:" + std::string(uscript_getName(static_cast<UScriptCode>(script))));
  }
  if (const UProperty binary = u_getPropertyEnum(plain.c_str()); binary >= 0 && binary < UCHAR_BINARY_LIMIT) {
    return property(u_getPropertyName(binary, U_LONG_PROPERTY_NAME));
  }
  return std::nullopt;
}

bool depends_on_case(std::string_view set) {
  for (const std::string_view cased : {R"(\p{Lu})", R"(\p{Ll})", R"(\p{Lt})", R"(\p{Lowercase})", R"(\p{Uppercase})"}) {
    if (set == cased) return true;
  }
  return false;
}

}  // namespace nwc::text
