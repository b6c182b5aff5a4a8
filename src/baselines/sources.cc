#include "baselines/sources.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/random_variates.h"

namespace nwc {
namespace {

double draw_one(Source source, std::mt19937_64& random) {
  switch (source) {
    case Source::kGaussian: return gaussian_variate(random);
    case Source::kLaplace: return laplace_variate(random) / std::numbers::sqrt2;
    default: return student_t_variate(random, kStudentDegrees) * std::sqrt((kStudentDegrees - 2) / kStudentDegrees);
  }
}

}  // namespace

std::string_view name_of(Source source) {
  switch (source) {
    case Source::kGaussian: return "gaussian";
    case Source::kLaplace: return "laplace";
    default: return "student-t5";
  }
}

Samples draw(Source source, uint64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  Samples samples{std::string(name_of(source)), kSourceRows, std::max<uint64_t>(1, count / kSourceRows), {}};
  samples.values.resize(samples.rows * samples.columns);
  for (float& v : samples.values) v = static_cast<float>(draw_one(source, random));
  return samples;
}

}  // namespace nwc
