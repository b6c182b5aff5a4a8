// Codecs that come with the program.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "nwcodec/result.h"

namespace nwc::cli {

inline constexpr const char* kDefaultCodec = "fast-1000";

// `text` is a path to a codec file, or the name of a shipped one, which is looked for in $NWCODEC_CODECS, beside the
// installed program (../share/nwcodec/codecs) and in the source tree that the program was built from. Errors: kNotFound
// with the names of the shipped codecs.
Result<std::filesystem::path> find_codec(const std::string& text);

// All shipped codecs of a profile ("fast": names that begin with "fast-"), sorted by name: what a rate is chosen from.
std::vector<std::filesystem::path> shipped_profile(const std::string& profile);

}  // namespace nwc::cli
