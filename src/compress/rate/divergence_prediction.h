// `nwcodec compress --plan`: what a compression with steps by sensitivity will come to, from samples of every tensor.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compress/compress.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

struct PredictedTensor {
  std::string name;
  std::vector<uint64_t> shape;
  uint64_t weights = 0;
  double bytes = 0;                  // stream and scales
  std::optional<double> divergence;  // nats per position; none where no gradient came
  double bits_per_weight() const { return weights > 0 ? 8 * bytes / static_cast<double>(weights) : 0.0; }
};

struct CompressionPrediction {
  double bits = 0;        // per compressed weight, everything that decoding needs included
  double file_bytes = 0;  // of all weight files, codec included
  uint64_t weights = 0, input_bytes = 0;
  std::vector<PredictedTensor> tensors;  // block by block, then the rest by name
  // KL divergence in nats per token on text like the calibration's: the sum over tensors. None if nothing is known of
  // any.
  std::optional<double> divergence;
  std::vector<std::string> warnings;
};

class RunIdentity;

// Not for processes that share a checkpoint. Not thread-safe.
class CompressionPredictor {
 public:
  // Reads and checks what compress_checkpoint() would, and writes nothing. Errors: its errors; kInvalidArgument for
  // steps that are not by sensitivity.
  static Result<CompressionPredictor> open(const CompressOptions& options, const Progress& progress);
  CompressionPredictor(CompressionPredictor&&) noexcept;
  CompressionPredictor& operator=(CompressionPredictor&&) noexcept;
  ~CompressionPredictor();

  // The rate that the options ask for, by --bits or --size. Errors: those of bits_for().
  Result<double> rate_asked() const;
  // What was read: weights and calibration.
  void identify(RunIdentity& identity) const;
  // Factors of tensors are kept, so that further rates take less time than the first.
  Result<CompressionPrediction> at(double bits, const Progress& progress);

 private:
  struct State;
  explicit CompressionPredictor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace nwc
