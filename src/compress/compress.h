// `nwcodec compress`: a checkpoint directory to a compressed one.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/stage_clock.h"
#include "compress/layers/differences.h"
#include "compress/rate/size_target.h"
#include "compress/tensor_record.h"
#include "guide/guide_source.h"
#include "guide/hessian_store.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "tensor/tensor_encoder.h"
#include "weights/selection.h"

namespace nwc {

class BlockCompressor;
class EncodeDevice;
class Team;

struct CompressOptions {
  std::filesystem::path model;   // input directory
  std::filesystem::path output;  // must not exist, be empty, or hold an interrupted run of the same options
  // As written by `nwcodec train`. Several only together with `bits`, which then chooses among them.
  std::vector<std::filesystem::path> codecs;
  std::optional<double> bits;  // per compressed weight, with all side information and the codec: chooses codec and gain
  std::optional<SizeTarget> size;  // of all weight files, instead of `bits`
  SelectionOptions selection;
  EncodeOptions encode;
  std::filesystem::path hessians;  // as written by `nwcodec calibrate`; empty: data-free
  GuideOptions guide;              // what to make of them
  bool keep_embeddings = false;    // with steps by sensitivity: leave embedding and head as they are
  unsigned level = 0;              // of all columns, without Hessians
  bool keep_nonfinite = false;     // store tensors with NaN or infinite weights uncompressed instead of refusing them
  bool force = false;              // replace the checkpoint that stands in `output`
  int threads = 0;                 // <= 0: all cores. Never changes the output
  EncodeDevice* device = nullptr;  // what quantises (tensor/device.h, which says whether it changes the output); null
                                   // for the cores. Not owned
  // What the leading process does with the output when all its files are there, for instance measure it. An error ends
  // the run; the same command then goes on from there. May be empty
  std::function<Status(const std::filesystem::path& directory)> before_finish = {};
  // The checkpoint whose difference to `model` is stored. None: the model itself.
  std::optional<DifferenceBase> base = std::nullopt;
  // What decides about the bytes of files that before_finish adds, for the identity of the run: lines of name and
  // value.
  std::vector<std::pair<std::string, std::string>> added = {};
};

// Which tensors these options compress: their selection, and with steps by sensitivity embedding and head if the
// calibration knows them. `hessians`: the options', or null.
SelectionOptions selection_of(const CompressOptions& options, const HessianStore* hessians);

// The format version that a compression with these options writes.
unsigned format_version_of(const CompressOptions& options);

struct CompressReport {
  std::vector<TensorRecord> tensors;  // shard by shard, by name; without those of shards that an earlier run completed
  std::vector<std::string> warnings;  // of every process: those that concern its own blocks
  std::filesystem::path codec;        // the one used
  double gain = 1.0;
  std::optional<DifferencesTaken> differences;  // with a base
  size_t blocks_from_earlier_run = 0;           // work items (compress/compress_plan.h) found done
  uint64_t input_bytes = 0, output_bytes = 0;   // of all weight files, codec included
  std::vector<StageTime> stages;                // vary from run to run
};

// Blocks are compressed one by one, by whichever process of the team claims them, each to a part of its own in a hidden
// folder of the output; at the end the leading process makes shards of them. The bytes do not depend on the number of
// processes or threads. Memory stays within a few of the largest tensor's size (and what `blocks` needs). On an error
// before the first block is complete, nothing is left behind; afterwards, complete blocks stay for a second run to go
// on from. `blocks`: nullptr for tensors as they are. `team`: nullptr for this process alone; all its processes call
// this with the same arguments, and only the leading one's report is filled in, but for warnings. The output is locked
// from before the weights are read. Errors: those of reading; kNonFinite by tensor name, before anything is written;
// kBusy, kExists (checkpoint/resumable_directory.h); kIo; kInterrupted.
Result<CompressReport> compress_checkpoint(const CompressOptions& options, const Progress& progress,
                                           BlockCompressor* blocks = nullptr, Team* team = nullptr);

}  // namespace nwc
