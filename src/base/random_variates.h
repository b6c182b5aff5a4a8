// Random numbers of given distributions for synthetic weights: training data (src/learn) and the sources of
// rate-distortion studies (src/study). The same seed gives the same numbers wherever the C library's log, pow and cos
// agree; the standard library's distributions differ between implementations.
//
// Thread safety: the generator is the caller's; one per thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>

namespace nwc {

// Of part `index` of something whose random numbers follow from one seed: a calibration's labels, or noise, batch by
// batch.
uint64_t seed_of_part(uint64_t seed, size_t index);

// Uniform in (0, 1), both ends excluded.
double uniform_variate(std::mt19937_64& random);

// Mean 0, variance 1 (Box and Muller's cosine branch; two uniform numbers each).
double gaussian_variate(std::mt19937_64& random);

// Laplace with scale 1: variance 2, excess kurtosis 3.
double laplace_variate(std::mt19937_64& random);

// Student's t (Bailey's polar method): variance degrees / (degrees - 2) for degrees > 2, excess kurtosis 6 / (degrees -
// 4) for degrees > 4.
double student_t_variate(std::mt19937_64& random, double degrees);

}  // namespace nwc
