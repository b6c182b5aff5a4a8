// `nwcodec convert`: a compressed checkpoint with the same symbols in other tiles, for other decoders.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "tensor/retiling.h"

namespace nwc {

struct ConvertOptions {
  std::filesystem::path input;   // compressed
  std::filesystem::path output;  // must not exist, be empty, or hold an interrupted run of the same options
  TileLayout layout;
  bool force = false;  // replace the checkpoint that stands in `output`
  int threads = 0;     // <= 0: all cores
};

struct ConvertReport {
  uint64_t tensors = 0;                        // compressed ones
  uint64_t input_bytes = 0, output_bytes = 0;  // of all weight files, the codec's not counted
  std::vector<std::string> warnings;
};

// Every tensor decodes to the same bits as before; codec, scales, plain tensors and config.json are the input's. Every
// byte is checked against its checksum before it is used. Resumes shard by shard. Memory: four bytes for each weight of
// the largest tensor. Errors: those of reading; kInvalidArgument for a layout out of range, or an input that is not
// compressed; kExists; kBusy; kIo; kInterrupted.
Result<ConvertReport> convert_checkpoint(const ConvertOptions& options, const Progress& progress);

}  // namespace nwc
