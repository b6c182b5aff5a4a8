// The goldens of docs/format.md, section 9.
#pragma once

#include <filesystem>

#include "conformance/golden_maker.h"

namespace nwc::testing {

// A base with a trellis and two refinements: with line scales and own tables; with a transform, levels and patches.
GoldenSummary make_layers(const std::filesystem::path& codecs, const std::filesystem::path& output);
// A delta on the base of "layers" and its first refinement, with a refinement of its own. After make_layers().
GoldenSummary make_delta(const std::filesystem::path& codecs, const std::filesystem::path& output);

}  // namespace nwc::testing
