#include "regex/escapes.h"

#include "regex/character_sets.h"
#include "regex/utf8.h"

namespace nwc::regex {
namespace {

bool is_octal(char c) { return c >= '0' && c <= '7'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
uint32_t hex_value(char c) { return static_cast<uint32_t>(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10); }

// \p{name}, \P{name}, \p{^name}.
Result<std::optional<Set>> read_property(Scanner& scanner, bool in_class) {
  const std::string_view rest = scanner.rest();
  const size_t end = rest.find('}');
  if (scanner.peek(2) != '{' || end == rest.npos) return scanner.unsupported("'\\p' without a name in braces");
  bool negated = scanner.peek(1) == 'P';
  std::string_view name = rest.substr(3, end - 3);
  if (name.starts_with('^')) {
    negated = !negated;
    name.remove_prefix(1);
  }
  std::optional<std::string> members = property_set(name, in_class);
  if (!members) return scanner.unsupported("the character set '" + std::string(name.substr(0, 100)) + "'");
  scanner.skip(end + 1);
  return std::optional<Set>(Set{*std::move(members), negated});
}

// The digits behind "\x" or "\u".
Result<std::string> read_plain_hex(Scanner& scanner, size_t min_digits, size_t max_digits, uint32_t max_value) {
  uint32_t value = 0;
  size_t digits = 0;
  for (; digits < max_digits && is_hex(scanner.peek(2 + digits)); ++digits) {
    value = value * 16 + hex_value(scanner.peek(2 + digits));
  }
  if (digits < min_digits) return scanner.corrupt("a \\u escape has fewer than four hexadecimal digits");
  if (value > max_value) return scanner.unsupported("a raw byte");
  scanner.skip(2 + digits);
  return code_point_escape(value);
}

// \x{...}
Result<std::string> read_braced_hex(Scanner& scanner) {
  const std::string_view rest = scanner.rest();
  const size_t end = rest.find('}');
  const std::string_view digits = end == rest.npos ? "" : rest.substr(3, end - 3);
  uint32_t value = 0;
  for (const char c : digits) {
    if (!is_hex(c) || value > 0x10FFFF) return scanner.corrupt("a \\x{...} escape is not one code point");
    value = value * 16 + hex_value(c);
  }
  if (digits.empty() || value > 0x10FFFF) return scanner.corrupt("a \\x{...} escape is not one code point");
  scanner.skip(end + 1);
  return code_point_escape(value);
}

Result<std::string> read_octal(Scanner& scanner) {
  uint32_t value = 0;
  size_t end = 1;
  for (; end < 4 && is_octal(scanner.peek(end)); ++end) value = value * 8 + hex_value(scanner.peek(end));
  if (value > 0x7F) return scanner.unsupported("a raw byte");
  scanner.skip(end);
  return code_point_escape(value);
}

}  // namespace

std::string code_point_escape(uint32_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  do {
    hex.insert(hex.begin(), kDigits[value & 15]);
    value >>= 4;
  } while (value != 0);
  return "\\x{" + hex + "}";
}

Result<std::optional<Set>> read_set_escape(Scanner& scanner, bool in_class) {
  const char c = scanner.peek(1);
  std::string_view members;
  switch (c) {
    case 's':
    case 'S': members = space_set(); break;
    case 'w':
    case 'W': members = in_class ? word_set_in_class() : word_set(); break;
    case 'd':
    case 'D': members = digit_set(); break;
    case 'h':
    case 'H': members = kHexSet; break;
    case 'p':
    case 'P': return read_property(scanner, in_class);
    default: return std::optional<Set>();
  }
  scanner.skip(2);
  return std::optional<Set>(Set{std::string(members), c >= 'A' && c <= 'Z'});
}

Result<std::string> read_character_escape(Scanner& scanner) {
  const char c = scanner.peek(1);
  const auto control = [&](uint32_t value) {
    scanner.skip(2);
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
    case 'x': return scanner.peek(2) == '{' ? read_braced_hex(scanner) : read_plain_hex(scanner, 0, 2, 0x7F);
    case 'u': return read_plain_hex(scanner, 4, 4, 0xFFFF);
    default: break;
  }
  if (is_octal(c)) return read_octal(scanner);
  if (scanner.rest().size() < 2) return scanner.corrupt("it ends in a backslash");
  if (is_letter(c) || is_digit(c)) return scanner.unsupported("'\\" + std::string(1, c) + "'");
  const size_t length = utf8_length(c);
  scanner.skip(1);
  const std::string_view character = scanner.take(length);
  return length == 1 && c > ' ' && c != '\x7F' ? "\\" + std::string(character) : std::string(character);
}

}  // namespace nwc::regex
