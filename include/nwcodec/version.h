// Version numbers. The library version and the format version move independently (docs/format.md, section 1).
#pragma once

#define NWCODEC_VERSION_MAJOR 0
#define NWCODEC_VERSION_MINOR 1
#define NWCODEC_VERSION_PATCH 0
#define NWCODEC_VERSION_STRING "0.1.0"

namespace nwc {

// The newest format that this library reads and writes. What needs none of its features is written as the oldest that
// has what it needs.
inline constexpr unsigned kFormatVersion = 5;
// The oldest format that it reads.
inline constexpr unsigned kOldestFormatVersion = 1;

}  // namespace nwc
