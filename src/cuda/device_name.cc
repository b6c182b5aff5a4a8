#include "cuda/device_name.h"

#include <charconv>
#include <string_view>

namespace nwc::cuda {

Result<int> device_number(const std::string& device) {
  constexpr std::string_view kPrefix = "cuda";
  int number = 0;
  const char* const end = device.data() + device.size();
  if (device == kPrefix) return number;
  if (device.starts_with(std::string(kPrefix) + ":")) {
    const auto [parsed, error] = std::from_chars(device.data() + kPrefix.size() + 1, end, number);
    if (error == std::errc() && parsed == end && number >= 0) return number;
  }
  return Error(ErrorCode::kInvalidArgument, "'" + device + "' is no device").remedy("write cpu, cuda or cuda:NUMBER");
}

}  // namespace nwc::cuda
