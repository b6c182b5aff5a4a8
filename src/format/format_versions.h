// Which format versions this library reads (docs/format.md, section 1), said in one way wherever a version stands.
#pragma once

#include <string>
#include <string_view>

#include "nwcodec/result.h"
#include "nwcodec/version.h"

namespace nwc {

// Whether it is one of them, written in decimal.
inline bool is_known_version(std::string_view number) {
  for (unsigned v = kOldestFormatVersion; v <= kFormatVersion; ++v) {
    if (number == std::to_string(v)) return true;
  }
  return false;
}

// `what` has it; `found`: as it stands there.
inline Error unknown_version(const std::string& what, const std::string& found) {
  return Error(ErrorCode::kUnsupported, what + "has format version " + found.substr(0, 20) +
                                            ", this program reads versions " + std::to_string(kOldestFormatVersion) +
                                            " to " + std::to_string(kFormatVersion))
      .remedy("use a newer nwcodec");
}

}  // namespace nwc
