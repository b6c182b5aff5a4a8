// Training chunks: normalised columns of linear weights, cut into chunks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "weights/normalisation.h"
#include "weights/selection.h"

namespace nwc {

struct ChunkSet {
  int64_t chunk = 0;            // weights per chunk
  std::vector<float> training;  // [n, chunk]
  std::vector<float> validation;
  std::vector<std::string> tensors;  // sources, as "directory name: tensor"

  uint64_t training_chunks() const { return training.size() / static_cast<size_t>(chunk); }
  uint64_t validation_chunks() const { return validation.size() / static_cast<size_t>(chunk); }
};

// Reads every selected tensor of the checkpoints. If there are more than max_chunks chunks, each tensor gives at most
// its equal share, evenly spaced. Every 64th chunk goes to validation. Rows that do not fill a chunk are left out.
// Errors: those of reading; kNonFinite; kInvalidArgument if nothing is selected.
Result<ChunkSet> load_chunks(const std::vector<std::filesystem::path>& models, const SelectionOptions& selection,
                             Normalisation normalisation, int64_t chunk, uint64_t max_chunks, int threads,
                             const Progress& progress);

}  // namespace nwc
