// `nwcodec trim`: a progressive checkpoint with fewer of its layers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

struct TrimOptions {
  std::filesystem::path input;   // compressed
  std::filesystem::path output;  // must not exist, be empty, or hold an interrupted run of the same options
  unsigned layers = 1;
  std::filesystem::path base;  // of a delta; empty for where the delta says
  bool force = false;          // replace the checkpoint that stands in `output`
  int threads = 0;             // <= 0: all cores
};

struct TrimReport {
  unsigned layers_before = 0;
  uint64_t input_bytes = 0, output_bytes = 0;  // of all weight files and codecs
  std::vector<std::string> warnings;
};

// Copies the first layers, each file as it is, and the files beside them; every byte is checked against its checksum
// before. Errors: those of reading; kNotFound for more layers than there are; kInvalidArgument for what is not
// compressed; kExists; kBusy; kIo; kInterrupted.
Result<TrimReport> trim_checkpoint(const TrimOptions& options, const Progress& progress);

}  // namespace nwc
