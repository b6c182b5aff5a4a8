#include "base/python_floats.h"

#include <limits>

namespace nwc {
namespace {

struct Word {
  std::string_view word, zero;
  double value;
};

constexpr Word kWords[] = {{"NaN", "0.0", std::numeric_limits<double>::quiet_NaN()},
                           {"Infinity", "0.000000", std::numeric_limits<double>::infinity()},
                           {"-Infinity", "-0.000000", -std::numeric_limits<double>::infinity()}};

// The end of the string that begins at the quotation mark text[at].
size_t end_of_string(std::string_view text, size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return at + 1;
}

// Whether a value may stand at [begin, end): next to it is nothing that a longer word or number could be made of.
bool stands_alone(std::string_view text, size_t begin, size_t end) {
  constexpr std::string_view kBefore = "[:, \t\r\n", kAfter = "]}, \t\r\n";
  return (begin == 0 || kBefore.find(text[begin - 1]) != std::string_view::npos) &&
         (end == text.size() || kAfter.find(text[end]) != std::string_view::npos);
}

}  // namespace

PythonFloats replace_python_floats(std::string_view text, size_t most) {
  PythonFloats found;
  size_t numbers = 0;
  for (size_t at = 0; at < text.size() && found.values.size() < most;) {
    if (text[at] == '"') {
      at = end_of_string(text, at);
      continue;
    }
    const Word* word = nullptr;
    for (const Word& w : kWords) {
      if (text.substr(at).starts_with(w.word) && stands_alone(text, at, at + w.word.size())) word = &w;
    }
    if (word != nullptr) {
      if (found.values.empty()) found.text = text;
      found.text.replace(at, word->word.size(), word->zero);
      found.values.emplace(numbers++, word->value);
      at += word->word.size();
    } else if (text[at] == '-' || (text[at] >= '0' && text[at] <= '9')) {
      const size_t end = text.find_first_not_of("+-.0123456789eE", at);
      ++numbers;
      at = end == std::string_view::npos ? text.size() : end;
    } else {
      ++at;
    }
  }
  return found;
}

}  // namespace nwc
