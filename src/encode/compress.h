// `nwcodec compress`: a checkpoint directory to a compressed one.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "nwcodec/progress.h"
#include "encode/guide_source.h"
#include "encode/selection.h"
#include "encode/stage_clock.h"
#include "encode/tensor_encoder.h"
#include "nwcodec/result.h"

namespace nwc {

struct CompressOptions {
  std::filesystem::path model;   // input directory
  std::filesystem::path output;  // must not exist, be empty, or hold an interrupted run of the same options
  // As written by `nwcodec train`. Several only together with `bits`, which then chooses among them.
  std::vector<std::filesystem::path> codecs;
  std::optional<double> bits;    // per compressed weight, with all side information and the codec: chooses codec and gain
  SelectionOptions selection;
  EncodeOptions encode;
  std::filesystem::path hessians;  // as written by `nwcodec calibrate`; empty: data-free
  GuideOptions guide;              // what to make of them
  unsigned level = 0;              // of all columns, without Hessians
  bool keep_nonfinite = false;  // store tensors with NaN or infinite weights uncompressed instead of refusing them
  bool force = false;           // replace the checkpoint that stands in `output`
  int threads = 0;              // <= 0: all cores. Never changes the output
};

struct CompressedTensorReport {
  std::string name;
  std::vector<uint64_t> shape;
  EncodeStatistics statistics;
  uint64_t stream_bytes = 0, side_bytes = 0;  // stream; scales and levels
  std::vector<uint64_t> columns_per_level;
  GuideSource::Notes notes;
  double seconds = 0;  // of computing; varies from run to run
};

struct CompressReport {
  std::vector<CompressedTensorReport> tensors;  // those compressed by this run, in the order of writing
  std::vector<std::string> warnings;
  std::filesystem::path codec;  // the one used
  double gain = 1.0;
  size_t shards_from_earlier_run = 0;
  uint64_t input_bytes = 0, output_bytes = 0;  // of all weight files, codec included
  std::vector<StageTime> stages;               // vary from run to run
};

// Shards are written one after another, each atomically; memory stays within a few of the largest tensor's size. On an error
// before the first shard is complete, nothing is left behind; afterwards, complete shards stay for a second run to go on
// from. Errors: those of reading; kNonFinite by tensor name, before anything is written; kExists; kIo; kInterrupted.
Result<CompressReport> compress_checkpoint(const CompressOptions& options, const Progress& progress);

}  // namespace nwc
