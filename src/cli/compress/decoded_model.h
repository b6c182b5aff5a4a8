// The decoded model that `recompress` works from.
#pragma once

#include <memory>
#include <utility>

#include "checkpoint/resumable_directory.h"
#include "compress/compress.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc::cli {

// In a directory beside the output, which is locked for as long as this lives and then removed: an interrupted
// compression is gone on with from the same bytes, decoded again.
class DecodedModel {
 public:
  // Decompresses options.model, all of its layers, and makes options.model what comes of it. Errors: those of
  // decompress_checkpoint(); kExists for a directory there that is not ours; kBusy for another process.
  static Result<std::unique_ptr<DecodedModel>> decode(CompressOptions& options, int threads, const Progress& progress);
  DecodedModel(const DecodedModel&) = delete;
  DecodedModel& operator=(const DecodedModel&) = delete;
  ~DecodedModel();

 private:
  explicit DecodedModel(ResumableDirectory directory) : directory_(std::move(directory)) {}
  ResumableDirectory directory_;
};

}  // namespace nwc::cli
