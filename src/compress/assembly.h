// The last step of a compression: parts and plain tensors to the shards of the checkpoint, and all other files beside
// them.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "compress/compress_plan.h"
#include "compress/compress_run.h"
#include "compress/part_file.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

// Finds a tensor in whichever part holds it. Refers to the parts.
class PartIndex {
 public:
  void add(const Part& part);
  struct Place {
    const Part* part = nullptr;
    const TensorView* tensor = nullptr;
  };
  // Nothing if no part holds it.
  Place find(const std::string& name) const;

 private:
  std::map<std::string, Place> places_;
};

// Writes the shard `path`, whose bytes do not depend on how tensors were spread over parts. Errors: kIo; kInternal for
// a tensor that no part holds. `version`: the format's, for its metadata; `difference`: what stands there of a base, or
// null.
Status assemble_shard(const ShardPlan& shard, const PartIndex& parts, const std::filesystem::path& path,
                      unsigned version, const Difference* difference, const Progress& progress);

// The whole output directory, by the leading process, from the parts of all items that `earlier` does not supersede.
// Fills in the report's tensors, bytes and warnings. Errors: kIo; those of a part that cannot be read.
Status assemble_checkpoint(const CompressRun& run, const EarlierShards& earlier, uint64_t codec_id,
                           CompressReport& report);

}  // namespace nwc
