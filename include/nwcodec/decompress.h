// `nwcodec decompress`: a compressed checkpoint directory back to a plain one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nwcodec/decode_backend.h"
#include "nwcodec/dtype.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

struct DecompressOptions {
  std::filesystem::path input;
  std::filesystem::path output;    // must not exist, be empty, or hold an interrupted run of the same options
  std::optional<DType> dtype;      // F32, F16 or BF16 for all float weights; otherwise each tensor's original dtype
  std::optional<unsigned> layers;  // of a progressive checkpoint; none: all that are there (WeightsOptions)
  std::filesystem::path base;      // of a delta; empty: where it says
  bool force = false;              // replace the checkpoint that stands in `output`
  std::shared_ptr<DecodeBackend> backend;  // none: the CPU. F16 and BF16 weights may differ in their last bits
  int threads = 0;                         // <= 0: all cores
};

struct DecompressReport {
  uint64_t input_bytes = 0, output_bytes = 0;  // of all weight files
  // Weights that `dtype` cannot hold: too large, they became its largest number; too small, they became 0. Where that
  // may matter, a warning names the tensor.
  uint64_t saturated = 0, flushed = 0;
  std::vector<std::string> warnings;
};

// Every tensor gets back its name, shape and dtype; every byte read is checked against its checksum before it is used.
// Tensors are decoded in bands of rows, so that memory stays small whatever the tensor's size. On an error nothing is
// left behind but complete shards, which a second run with the same input and options keeps. Errors: those of reading;
// kExists, also for an unfinished run of other input or options; kBusy if another process writes there; kIo;
// kInterrupted.
Result<DecompressReport> decompress_checkpoint(const DecompressOptions& options, const Progress& progress);

}  // namespace nwc
