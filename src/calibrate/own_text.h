// A text that the model writes by itself, for calibration without data.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "guide/calibration_sequences.h"
#include "model/causal_lm.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

struct OwnTextOptions {
  // What every sequence begins with, for most models the token for the beginning of a text: what follows it is what the
  // model takes for text. None: each begins with a token drawn from the whole vocabulary.
  std::vector<int32_t> beginning;
  int64_t sequences = 0, length = 0;  // tokens of a sequence, the beginning among them
  uint64_t seed = 1;
  int64_t at_once = 0;  // sequences that are written together; 0: own_text_at_once()
  // On the cores: that many threads share the groups of sequences, a thread of BLAS each, whose sums do not depend on
  // their number; afterwards LibTorch has all of them again. 0, for a GPU: one group after another.
  int threads = 0;
};

// Drawn at temperature 1 from the whole distribution, so that each token is a fair draw of what the model predicts
// there, which is what labels of a way back are (calibrate/labels.h). An end-of-sequence token ends nothing: the model
// goes on with what comes after a text. Each sequence has random numbers of its own, from the seed and its number; so
// the text does not depend on how many are written at once, but for the last bits of sums. Open the model as resident
// and with its head. Memory, on the device: the whole model in float32, keys and values of the sequences that are
// written at once, and their logits. Where positions turn by other angles in longer sequences (LongRoPE), tokens are
// those of the angles up to their position. Progress counts tokens. Errors: kInvalidArgument for a beginning outside
// the vocabulary; kNonFinite, naming sequence and token; kInterrupted; of loading. Throws what LibTorch throws.
Result<std::vector<CalibrationSequences::Sequence>> write_own_text(const CausalLm& model, const OwnTextOptions& options,
                                                                   const Progress& progress);

// The random numbers of a sequence, the first from 0: a uniform_variate() for each token that is drawn.
std::mt19937_64 own_text_numbers(uint64_t seed, int64_t sequence);

// How many sequences are written together: at most 64 on a GPU, at most 8 by a core; of about one size each; and no
// more than have 2 GiB of keys and values, but at least one. So many bytes are the limit of all groups together, too,
// that are written at the same time.
int64_t own_text_at_once(const ModelSpec& model, int64_t sequences, int64_t length, bool on_cores);

}  // namespace nwc
