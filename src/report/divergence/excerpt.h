// Text of the scored windows as HTML, tokens marked by how far the predictions were apart.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "report/divergence/divergence_report.h"

namespace nwc {

// Divergence from which a token is marked, faintly, clearly and strongly: what one token in ten, in a hundred and in a
// thousand of the report reaches.
std::array<double, 3> mark_thresholds(const DivergenceProfile& profile);

// The window's text, or of a longer one the `tokens` together with the largest divergence; a marked token has a title
// that says what the models expected.
std::string window_html(const DivergenceReport& report, int64_t window, size_t tokens);

// A token with `before` tokens before and `after` behind it, on one line.
std::string context_html(const DivergenceReport& report, size_t score, size_t before, size_t after);

// "KL 1.2; p 0.3 -> 0.1; likeliest: 'the' -> 'a'", plain text.
std::string expectation_text(const DivergenceReport& report, size_t score);

}  // namespace nwc
