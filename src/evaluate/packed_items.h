// Packs items of tokens into batches that share what an item's choices begin with. Internal to src/evaluate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "evaluate/likelihoods.h"
#include "evaluate/sequence_pass.h"

namespace nwc {

// One scored token of a batch: the row whose output predicts it.
struct Prediction {
  int64_t row = 0;
  int32_t token = 0;
  size_t item = 0, choice = 0;
};

struct PackedBatch {
  SequenceBatch batch;
  std::vector<Prediction> predictions;  // by row, then by item and choice
};

struct PackingLimits {
  int64_t rows = kTokensPerBatch;
  int64_t places = 4 * kTokensPerBatch;  // of attention: sequences times the longest of them
  // Items of which some sequence is at least so long do not share a batch with shorter ones; see
  // length_of_other_angles(). 0 for none.
  int64_t long_from = 0;
};

// Every item in exactly one batch, longest items first; an item over a limit has a batch of its own. Of each sequence
// all tokens but the last are rows. Items must be as log_likelihoods() wants them.
std::vector<PackedBatch> pack_items(std::span<const ScoredChoices> items, const PackingLimits& limits);

}  // namespace nwc
