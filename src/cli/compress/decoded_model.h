// The decoded model that `recompress` works from.
#pragma once

#include <filesystem>
#include <memory>

#include "compress/compress.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc::cli {

// A directory beside the output, for as long as this lives: an interrupted compression is gone on with from the same
// bytes, decoded again.
class DecodedModel {
 public:
  // Decompresses options.model, all of its layers, and makes options.model what comes of it. Errors: those of
  // decompress_checkpoint().
  static Result<std::unique_ptr<DecodedModel>> decode(CompressOptions& options, int threads, const Progress& progress);
  DecodedModel(const DecodedModel&) = delete;
  DecodedModel& operator=(const DecodedModel&) = delete;
  ~DecodedModel();

 private:
  explicit DecodedModel(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace nwc::cli
