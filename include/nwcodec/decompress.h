// `nwcodec decompress`: a compressed checkpoint directory back to a plain one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nwcodec/dtype.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

// Decodes streams somewhere else than on this machine's CPU (nwcodec/cuda_checkpoint.h). Called from one thread.
class DecodeBackend {
 public:
  virtual ~DecodeBackend() = default;
  // The weights of outputs [row_begin, row_end) by inputs [column_begin, column_end) of one matrix, dense in the
  // original's orientation, as `dtype` to `out`. Spans stay valid as long as calls name the same tensor.
  struct Piece {
    const std::string& name;
    std::span<const std::byte> stream, scales, levels;
    uint64_t matrix, row_begin, row_end, column_begin, column_end;
    DType dtype;
  };
  virtual Status decode(const Piece& piece, std::span<std::byte> out) = 0;
};

struct DecompressOptions {
  std::filesystem::path input;
  std::filesystem::path output;      // must not exist, be empty, or hold an interrupted run of the same options
  std::optional<DType> dtype;        // F32, F16 or BF16 for all float weights; otherwise each tensor's original dtype
  bool force = false;                // replace the checkpoint that stands in `output`
  DecodeBackend* backend = nullptr;  // nullptr: the CPU. F16 and BF16 weights may differ in their last bits
  int threads = 0;                   // <= 0: all cores
};

struct DecompressReport {
  uint64_t input_bytes = 0, output_bytes = 0;  // of all weight files
  std::vector<std::string> warnings;
};

// Every tensor gets back its name, shape and dtype; every byte read is checked against its checksum before it is used.
// Tensors are decoded in bands of rows, so that memory stays small whatever the tensor's size. On an error nothing is
// left behind but complete shards, which a second run with the same input and options keeps. Errors: those of reading;
// kExists, also for an unfinished run of other input or options; kBusy if another process writes there; kIo;
// kInterrupted.
Result<DecompressReport> decompress_checkpoint(const DecompressOptions& options, const Progress& progress);

}  // namespace nwc
