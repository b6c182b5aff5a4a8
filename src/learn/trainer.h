// The networks of one training run, their state on disk, and the codec that they become. Private to src/learn.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "codec/encode/encoder_codec.h"
#include "learn/dataset.h"
#include "learn/train.h"
#include "learn/training_step.h"

namespace nwc {

// Not thread-safe. Methods may throw what LibTorch throws.
class Trainer {
 public:
  // Networks start from `start` if it is given (its shapes are the options', but for a teacher's synthesis transform),
  // else as the recipe says; a run that is resumed goes on from the state at `state`. Options and data must outlive the
  // trainer. `run`: digest of the run's identity, which states carry. Errors: those of make_fused_step; kCorrupt,
  // kMismatch for a state that is none, or another run's.
  static Result<Trainer> make(const TrainOptions& options, const std::string& run, const ChunkSet& data,
                              const EncoderCodec* start, const std::optional<std::filesystem::path>& state);

  int64_t step() const { return step_; }
  void advance() { training_step_->advance(step_++); }
  double mean_loss() { return training_step_->mean_loss(); }
  // Loss and quality with rounded latents.
  double validate(std::vector<LevelQuality>& levels);
  Status save(const std::filesystem::path& path);
  // The codec as it will compress: networks rounded to F16, integer tables, quality measured with both.
  EncoderCodec finish();

 private:
  Trainer(const TrainOptions& options, const std::string& run, const ChunkSet& data);
  // Reads networks and step, and leaves the optimisers' state in the archive.
  Status load(const std::filesystem::path& path, torch::serialize::InputArchive& archive);

  const TrainOptions& options_;
  std::string run_;
  Json recipe_;  // provenance of the codec
  int64_t levels_, step_ = 0;
  Networks networks_;
  torch::Tensor training_, validation_;
  std::unique_ptr<TrainingStep> training_step_;
};

}  // namespace nwc
