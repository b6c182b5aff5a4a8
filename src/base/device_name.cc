#include "base/device_name.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace nwc {

Result<DeviceName> parse_device_name(std::string_view text) {
  constexpr std::string_view kCuda = "cuda", kNumbered = "cuda:";
  if (text == "cpu") return DeviceName{};
  if (text == kCuda) return DeviceName{.cuda = true};
  if (text.starts_with(kNumbered)) {
    const std::string_view digits = text.substr(kNumbered.size());
    int number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    const bool only_digits =
        !digits.empty() && std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (only_digits && error == std::errc() && end == digits.data() + digits.size())
      return DeviceName{.cuda = true, .number = number};
  }
  return Error(ErrorCode::kInvalidArgument, "'" + std::string(text) + "' is no device")
      .remedy("choose cpu, cuda or cuda:NUMBER");
}

Result<std::vector<DeviceName>> parse_device_names(std::string_view text) {
  constexpr std::string_view kNumbered = "cuda:";
  if (text == "cuda:all") return std::vector<DeviceName>();
  const auto wrong = [&](const char* why) {
    return Error(ErrorCode::kInvalidArgument, "'" + std::string(text) + "' " + why)
        .remedy("choose cpu, cuda, cuda:NUMBER, cuda:NUMBER,NUMBER... or cuda:all");
  };
  std::vector<DeviceName> names;
  for (std::string_view rest = text;;) {
    const std::string_view part = rest.substr(0, rest.find(','));
    const Result<DeviceName> name =
        parse_device_name(names.empty() ? std::string(part) : std::string(kNumbered) + std::string(part));
    const bool several = !names.empty() || part.size() < rest.size();
    if (!name || (several && !name->number)) return wrong("is no device");
    for (const DeviceName& other : names) {
      if (other.number == name->number) return wrong("names a device twice");
    }
    names.push_back(*name);
    if (part.size() == rest.size()) return names;
    rest.remove_prefix(part.size() + 1);
  }
}

}  // namespace nwc
