// Sources of a rate-distortion study that are drawn, not read (paper, Section 5.1, Figure 6).
#pragma once

#include <cstdint>
#include <string_view>

#include "baselines/samples.h"

namespace nwc {

// Independent numbers of variance 1. Student's t has 5 degrees of freedom: excess kurtosis 6, where Laplace has 3.
enum class Source { kGaussian, kLaplace, kStudentT5 };

inline constexpr double kStudentDegrees = 5.0;
inline constexpr uint64_t kSourceRows = 1024;

std::string_view name_of(Source source);  // "gaussian", "laplace", "student-t5"

// Columns of kSourceRows numbers, as many as `count` fills (at least one). The same seed gives the same numbers.
Samples draw(Source source, uint64_t count, uint64_t seed);

}  // namespace nwc
