// Recovery fine-tuning (paper, Sections 3.3 and A.5): while the tensors of a block are compressed one group after
// another, the tensors still to come and the norms are trained to reproduce the original block's output. The block's
// input is that of the uncompressed model, so blocks do not depend on each other.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "compress/block_compressor.h"
#include "libtorch/device.h"
#include "nwcodec/result.h"

namespace nwc {

struct RecoverOptions {
  int64_t sequences = 192;      // of the calibration, spread evenly over its texts; fewer if it has fewer
  int64_t length = 512;         // tokens of each that are used, from its beginning; 0: all
  int64_t epochs = 4;           // over the training sequences, after each group
  int64_t batch = 4;            // sequences per step; as many threads can share a step
  double learning_rate = 0.01;  // of Adam, as a share of a tensor's root mean square; falls to zero along a cosine
  int64_t patience = 2;  // epochs without improvement on the validation sequences after which training of a group stops
  uint64_t seed = 1;     // of the order of the sequences
  bool harmful_too = false;  // also models of families that the paper found to suffer from it
  ModelDevice device = {};   // where features are computed and blocks trained; quantisation has CompressOptions::device
};

// Whether the paper leaves recovery out for this `model_type`: GPT-OSS.
bool recovery_does_harm(const std::string& model_type);

// Compresses the blocks of the language model `model` with training in between; sequences come from the directory
// `hessians`. Tensors that belong to no block are compressed as they are. Blocks must be asked for in ascending order:
// the features are those of all blocks before. Memory, on the device: the hidden states of all sequences twice, a block
// in float32 five times. The bytes do not depend on `threads`, but on the device; for this LibTorch is set to one
// thread per sequence, for the whole process. Errors: kInvalidArgument for a model that is no language model or one
// that would suffer; those of the model and of reading sequences; kMismatch for sequences of another vocabulary.
Result<std::unique_ptr<BlockCompressor>> make_recovery(const std::filesystem::path& model,
                                                       const std::filesystem::path& hessians,
                                                       const RecoverOptions& options, int threads);

}  // namespace nwc
