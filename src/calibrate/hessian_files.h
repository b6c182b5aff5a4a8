// The files of a calibration being written: one per block, those of an earlier run of the same calibration kept.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "guide/hessian_store.h"
#include "nwcodec/result.h"

namespace nwc {

class HessianFiles {
 public:
  // Creates the directory if need be. `provenance`: what decides about the result, beside the weights. Errors: kExists
  // for a file of another calibration, or a damaged one, unless `force`; kIo.
  static Result<HessianFiles> open(const std::filesystem::path& directory, size_t blocks, Json provenance, bool force);

  const Json& provenance() const { return provenance_; }
  size_t blocks() const { return missing_.size(); }
  bool is_missing(size_t block) const { return missing_[block]; }
  size_t from_earlier_run() const;
  // How many of the blocks [first, first + count) must run: up to the last that is missing.
  size_t needed(size_t first, size_t count) const;
  Status write(size_t block, const HessianFile& file) const;

 private:
  std::filesystem::path directory_;
  Json provenance_;
  std::vector<bool> missing_;
};

}  // namespace nwc
