// Version numbers. The library version and the format version move independently (docs/format.md, section 1).
#pragma once

#define NWCODEC_VERSION_MAJOR 0
#define NWCODEC_VERSION_MINOR 1
#define NWCODEC_VERSION_PATCH 0
#define NWCODEC_VERSION_STRING "0.1.0"

namespace nwc {

// The format that this library writes, and the newest that it reads.
inline constexpr unsigned kFormatVersion = 1;
// The oldest format that it reads.
inline constexpr unsigned kOldestFormatVersion = 1;

}  // namespace nwc
