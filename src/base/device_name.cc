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

}  // namespace nwc
