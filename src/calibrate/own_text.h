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

// What calibrates best of what was tried (docs/lab/calibration_texts.md): a small model loses its thread within some
// hundred tokens, and begins the same few kinds of text if nothing leads it elsewhere.
inline constexpr int64_t kOwnDocument = 128;
inline constexpr double kOwnTemperature = 0.85;

struct OwnTextOptions {
  // What every document begins with, for most models the token for the beginning of a text. A token drawn from the
  // whole vocabulary follows, so that documents differ in kind.
  std::vector<int32_t> beginning;
  int64_t sequences = 0, length = 0;  // tokens of a sequence, which is documents one after another
  int64_t document = kOwnDocument;    // tokens of a document, its beginning among them; the last one is cut
  double temperature = kOwnTemperature;
  uint64_t seed = 1;
  int64_t at_once = 0;  // documents that are written together; 0: own_text_at_once()
  // On the cores: that many threads share the groups of documents, a thread of BLAS each, whose sums do not depend on
  // their number; afterwards LibTorch has all of them again. 0, for a GPU: one group after another.
  int threads = 0;
};

// Drawn from the whole distribution. An end-of-sequence token ends nothing: the model goes on with what comes after a
// text. Each document has random numbers of its own, from the seed and its number; so the text does not depend on how
// many are written at once, but for the last bits of sums. Open the model as resident and with its head. Memory, on the
// device: the whole model in float32, keys and values of the documents that are written at once, and their logits.
// Where positions turn by other angles in longer sequences (LongRoPE), tokens are those of the angles up to their
// position. Progress counts tokens. Errors: kInvalidArgument for a beginning outside the vocabulary; kNonFinite, naming
// sequence and token; kInterrupted; of loading. Throws what LibTorch throws.
Result<std::vector<CalibrationSequences::Sequence>> write_own_text(const CausalLm& model, const OwnTextOptions& options,
                                                                   const Progress& progress);

// The random numbers of a document, the first from 0: after the one for its first token, a uniform_variate() for each
// that is drawn.
std::mt19937_64 own_text_numbers(uint64_t seed, int64_t document);

// How many documents are written together: at most 64 on a GPU, at most 8 by a core; of about one size each; and no
// more than have 2 GiB of keys and values, but at least one. So many bytes are the limit of all groups together, too,
// that are written at the same time.
int64_t own_text_at_once(const ModelSpec& model, int64_t documents, int64_t length, bool on_cores);

}  // namespace nwc
