// Rate-distortion curves of quantisers on synthetic sources and on real weights (paper, Section 5.1, Figure 6, Appendix
// A.6).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "baselines/rate_point.h"
#include "baselines/trellis_quantizer.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

inline constexpr uint64_t kFewestSamples = 16384, kMostSamples = uint64_t{1} << 28;  // per source

struct RateDistortionOptions {
  std::optional<std::filesystem::path> model;  // a plain checkpoint, one tensor of which is a source too
  std::string tensor;  // empty: the first query projection, or the first linear weight if there is none
  std::vector<std::filesystem::path> codecs;  // each a point of the curve "nwcodec"; may be empty
  uint64_t samples = uint64_t{1} << 20;       // weights per source; a tensor gives whole columns, evenly spaced
  TrellisOptions trellis;                     // trellis.samples == 0 leaves the trellis codes out
  unsigned largest_bits = 6;                  // curves go from 1 to this, at most 6
  uint64_t seed = 1;
  int threads = 0;  // <= 0: all cores. Never changes the result
};

// One quantiser at one rate. Methods (headers in src/baselines unless named otherwise):
//   sq            Lloyd-Max, fixed rate: lloyd_max.h
//   vq            pairs, fixed rate; only where the samples suffice to judge it: vector_quantizer.h
//   plain         our latents without a transform or a trellis, rounded by distance and bits: likewise
//   trellis-N     our trellis-coded latents, N states, encoded bytes with all side information: study/trellis_coded.h
//   tcq           QTIP's hybrid code, Q = 9, Gaussian codebook: hybrid_code.h
//   tcq*          the same with Q = 2 bits + 1; Laplace codebook, but Gaussian for a Gaussian and after Hadamard
//   tcq-1mad      QTIP's computed code: one_mad_code.h
//   tcq-rptc      a random Gaussian codebook: random_permutation_code.h
//   ecsq-uniform  equal cells, midpoints, ideal entropy coder: ecsq.h
//   ecsq-optimal  entropy-constrained thresholds, centroids, ideal entropy coder
//   shannon       Shannon's lower bound for independent numbers of that distribution, of a tensor by estimated entropy:
//                 shannon.h
//   nwcodec       our codec, encoded bytes with all side information: study/codec_quantizer.h
struct RateDistortionPoint {
  std::string source;     // "gaussian", "laplace", "student-t5", or the tensor's name
  bool hadamard = false;  // the random Hadamard transform of the inputs came first
  std::string method;
  unsigned nominal_bits = 0;  // of the quantiser's design; 0 for nwcodec
  RatePoint point;
  double over_ecsq = 0;  // error over that of ecsq-uniform on all samples at the same bits, in dB; below 0 is better
  uint64_t samples = 0;  // that the error was measured on
  std::string detail;    // parameters in words: trellis, codebook, scale, codec file
};

struct RateDistortionReport {
  std::vector<RateDistortionPoint> points;
};

// Time: trellis codes take 2^state_bits * trellis.samples operations per rate, code and source, which is minutes at the
// defaults. Errors: those of reading and encoding; kNotFound for an unknown tensor; kInvalidArgument for options out of
// range; kInterrupted.
Result<RateDistortionReport> run_rate_distortion_study(const RateDistortionOptions& options, const Progress& progress);

std::string rate_distortion_csv(const RateDistortionReport& report);
// The gap to the Gaussian bound against bits: a row of panels per source, plain and after the Hadamard transform.
std::string rate_distortion_svg(const RateDistortionReport& report);

}  // namespace nwc
