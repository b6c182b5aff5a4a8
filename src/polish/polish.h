// `nwcodec polish`: end-to-end optimisation of a compressed checkpoint with its symbols fixed. Row and column factors,
// norms and biases are trained by the KL divergence of the whole model's outputs from the original's, rounded to their
// stored precision, and written at the same size.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evaluate/divergence.h"
#include "libtorch/device.h"
#include "nwcodec/decode_backend.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

// The best factors are as far away as the errors are large, and those go with the square root of the divergence; what
// is to be won beside the noise of a step's gradient goes with the divergence itself. Fitted to SmolLM2-135M at 2.45 to
// 4 bits (docs/lab/polish.md).
inline constexpr double kRateOfErrors = 0.0165, kRateOfDivergence = 0.045;

struct PolishOptions {
  std::filesystem::path compressed, reference;  // the original of `compressed`, plain or compressed itself
  std::filesystem::path output;  // must not exist, be empty, or hold an interrupted run of the same polishing
  int64_t steps = 200;
  int64_t batch = 4;      // sequences per step, of each text in turn
  int64_t length = 2048;  // tokens of a sequence, and of a window of the held-out text
  // Octaves that a factor moves per step, at most; falls to zero along a cosine, and to half after a
  // setback. 0: kRateOfErrors times the root of the divergence before, or kRateOfDivergence times it if that is less.
  double rate = 0;
  double growth = 0.001;  // of the weight files, at most: decides how finely corrections are stored
  uint64_t seed = 1;      // of which sequences are drawn
  bool force = false;     // replace the checkpoint that stands in `output`
  int threads = 0;
  ModelDevice device = {};
  // What decodes `compressed` for a model on a device (cli/decode_backend.h); none: this machine's cores.
  std::shared_ptr<DecodeBackend> backend = nullptr;
  // The output is complete but not yet known as such. Errors are polish()'s.
  std::function<Status(const std::filesystem::path& output, const DivergenceResult& measured)> before_finish = {};
};

// On the held-out windows.
struct PolishReport {
  DivergenceResult before, after;  // `after` of the files as they were written
  bool changed = false;            // no: nothing was better than before, the weight files are the same
  int64_t factors = 0, steps = 0, steps_from_earlier_run = 0;
  unsigned correction_bits = 0;  // of line scales; 0: without
  uint64_t input_bytes = 0, output_bytes = 0;
  std::vector<std::string> warnings;
};

// `texts`: tokens to train on, of which sequences are drawn at random. `held_out`: windows of options.length, which
// decide when to stop and whether anything is written. Both models run a block at a time
// (polish/divergence_gradient.h), in float32; where they are small they stay in memory. The state is kept eight times
// in a run, from where an interrupted run goes on. The same machine, threads and seed give the same bytes. Errors:
// kInvalidArgument for texts that are too short or a checkpoint that is not compressed; kMismatch for a reference whose
// tensors have other names or shapes; those of both models; kBusy, kExists; kInterrupted.
Result<PolishReport> polish(const PolishOptions& options, std::span<const std::vector<int32_t>> texts,
                            std::span<const int32_t> held_out, const Progress& progress);

}  // namespace nwc
