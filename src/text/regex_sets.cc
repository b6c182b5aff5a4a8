#include "text/regex_sets.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <utility>

namespace nwc::text {
namespace {

constexpr std::pair<std::string_view, std::string_view> kPosixSets[] = {
    {"alnum", R"(\p{Alphabetic}\p{Nd})"},
    {"alpha", R"(\p{Alphabetic})"},
    {"any", R"(\x{0}-\x{10ffff})"},
    {"ascii", R"(\x{0}-\x{7f})"},
    {"assigned", R"(\p{L}\p{M}\p{N}\p{P}\p{S}\p{Z}\p{Cc}\p{Cf}\p{Co}\p{Cs})"},
    {"blank", R"(\p{Zs}\x{9})"},
    {"cntrl", R"(\p{Cc})"},
    {"digit", kDigitSet},
    {"graph", R"(\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Co})"},
    {"lower", R"(\p{Lowercase})"},
    {"print", R"(\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Co}\p{Zs})"},
    {"punct", R"(\p{P}$+<=>\^`|~)"},
    {"space", kSpaceSet},
    {"upper", R"(\p{Uppercase})"},
    {"word", kWordSetInClass},
    {"xdigit", kHexSet},
};

std::string property(std::string_view name) { return "\\p{" + std::string(name) + "}"; }

}  // namespace

std::optional<std::string> named_set(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    if (c == ' ' || c == '-' || c == '_') continue;
    const bool upper = c >= 'A' && c <= 'Z';
    const bool lower = c >= 'a' && c <= 'z';
    if (!upper && !lower) return std::nullopt;
    plain.push_back(upper ? static_cast<char>(c - 'A' + 'a') : c);
  }
  for (const auto& [posix, set] : kPosixSets) {
    if (posix == plain) return std::string(set);
  }
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
