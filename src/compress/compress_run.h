// One compression under way: what its steps share, and what an interrupted run has left for it.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/resumable_directory.h"
#include "compress/block_compressor.h"
#include "compress/compress.h"
#include "compress/compress_plan.h"
#include "compress/part_file.h"
#include "compress/tensor_compressor.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/progress.h"

namespace nwc {

class Team;

struct CompressRun {
  const CompressOptions& options;
  const Checkpoint& checkpoint;
  const CompressPlan& plan;
  const std::vector<WorkItem>& items;
  const PartStore& parts;
  BlockCompressor& blocks;
  Team& team;
  const Progress& progress;
  ResumableDirectory* output;  // of the leading process; null elsewhere
};

// Shards that an earlier run has completed.
class EarlierShards {
 public:
  // As the leading process sees them; all processes get the same. Errors: those of the team.
  static Result<EarlierShards> find(const CompressRun& run);

  bool has(size_t shard) const { return whole_[shard] == 1.0; }
  // Whether nothing of what an item gives is still wanted.
  bool supersede(const WorkItem& item, const CompressRun& run) const;
  // Why shards that were there are not taken.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  bool has(const SafetensorsFile* shard, const CompressPlan& plan) const;
  std::vector<double> whole_;  // of each shard: 1 if it is there and whole
  std::vector<std::string> warnings_;
};

struct WorkDone {
  std::vector<double> found;          // of each item: 1 if this process found it done
  std::vector<std::string> warnings;  // parts of an earlier run that are not usable
};

// Compresses items, as the team hands them out, until there are none left. Errors name the item.
Result<WorkDone> work_through(const CompressRun& run, const EarlierShards& earlier, const TensorCompressor& tensors);

}  // namespace nwc
