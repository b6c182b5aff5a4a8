#include "methods/method_parameters.h"

#include <algorithm>
#include <charconv>

namespace nwc {
namespace {

Error invalid(std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); }

// Whether all of the text is a number.
template <class Number>
bool read(const std::string& text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::string shortest(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

}  // namespace

Result<MethodParameters> MethodParameters::parse(const std::string& text) {
  MethodParameters parameters;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(':', begin), text.size()), equals = text.find('=', begin);
    if (equals >= end) return invalid("parameters are KEY=VALUE, separated by colons, not " + text);
    std::string name = text.substr(begin, equals - begin);
    if (!parameters.values_.emplace(name, text.substr(equals + 1, end - equals - 1)).second)
      return invalid("parameter " + name + " is given twice");
    begin = end + 1;
  }
  return parameters;
}

bool MethodParameters::take(const std::string& name, std::string& text) {
  const auto found = values_.find(name);
  if (found == values_.end()) return false;
  text = std::move(found->second);
  values_.erase(found);
  return true;
}

Result<uint64_t> MethodParameters::whole(const std::string& name, uint64_t otherwise, uint64_t least, uint64_t most) {
  std::string text;
  uint64_t value = 0;
  if (!take(name, text)) return otherwise;
  if (read(text, value) && value >= least && value <= most) return value;
  return invalid("parameter " + name + " must be a whole number from " + std::to_string(least) + " to " +
                 std::to_string(most) + ", not " + text);
}

Result<bool> MethodParameters::flag(const std::string& name, bool otherwise) {
  NWC_ASSIGN_OR_RETURN(const uint64_t value, whole(name, otherwise ? 1 : 0, 0, 1));
  return value == 1;
}

Result<double> MethodParameters::real(const std::string& name, double otherwise, double least, double most) {
  std::string text;
  double value = 0;
  if (!take(name, text)) return otherwise;
  if (read(text, value) && value >= least && value <= most) return value;
  return invalid("parameter " + name + " must be a number from " + shortest(least) + " to " + shortest(most) +
                 ", not " + text);
}

Result<std::string> MethodParameters::choice(const std::string& name, const std::vector<std::string>& names) {
  std::string text;
  if (!take(name, text)) return names[0];
  if (std::find(names.begin(), names.end(), text) != names.end()) return text;
  std::string known;
  for (const std::string& one : names) known += (known.empty() ? "" : ", ") + one;
  return invalid("parameter " + name + " is one of " + known + ", not " + text);
}

Result<std::string> MethodParameters::text(const std::string& name) {
  std::string text;
  if (take(name, text) && !text.empty()) return text;
  return invalid("parameter " + name + " must be given");
}

Status MethodParameters::check_all_taken() const {
  if (values_.empty()) return {};
  return invalid("has no parameter " + values_.begin()->first);
}

}  // namespace nwc
