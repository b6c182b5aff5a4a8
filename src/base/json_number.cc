#include "base/json_number.h"

#include <cmath>
#include <limits>
#include <string>

namespace nwc {

Json json_number(double value) {
  if (std::isfinite(value)) return value;
  if (std::isnan(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}

Result<double> number_from(const Json& json) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (json.is_number()) return json.get<double>();
  const std::string text = json.is_string() ? json.get<std::string>() : std::string();
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (text == "inf") return kInfinity;
  if (text == "-inf") return -kInfinity;
  return Error(ErrorCode::kCorrupt, "is no number: " + json.dump(-1, ' ', true, Json::error_handler_t::replace));
}

}  // namespace nwc
