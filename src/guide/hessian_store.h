// Hessians of a model's linear layers on disk: what `nwcodec calibrate` writes and `nwcodec compress` reads.
//
// A directory of files hessians-*.safetensors (guide/hessian_file.h), one per block of the model.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/checksums.h"
#include "guide/hessian_file.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"

namespace nwc {

// Thread safety: const members may be called from several threads at once.
class HessianStore {
 public:
  // Errors: kNotFound if the directory has no such files, or not all yet; kCorrupt, kMismatch (a tensor in two files)
  // by file.
  static Result<HessianStore> open(const std::filesystem::path& directory);

  // The Hessians of a tensor, read; kNotFound if it was not calibrated, kMismatch if they are those of other weights,
  // kCorrupt.
  Result<StoredHessian> find(const TensorView& weight) const;
  // A number that weights share if they see the same inputs, and so have one Hessian. Errors: kNotFound.
  Result<uint64_t> input_of(const TensorView& weight) const;
  // Only how many tokens reached each of its matrices, or all of them together. Errors as above.
  Result<std::vector<int64_t>> tokens_of(const TensorView& weight) const;
  // The Fisher factors beside them; none if calibration did not walk backwards. Errors: kNotFound, kCorrupt. What they
  // are of, find() or tokens_of() has checked.
  Result<std::optional<StoredFisher>> find_fisher(const TensorView& weight) const;
  // The same of the look-up in an embedding that is the head too; none for other tensors. Errors as above.
  Result<std::optional<StoredFisher>> find_lookup(const TensorView& weight) const;
  // Whether it is the model's embedding or head; false for tensors that were not calibrated. ends(): all that are.
  bool is_end(const std::string& weight) const;
  std::set<std::string> ends() const;
  // Whether calibration walked backwards: every tensor has Fisher factors.
  bool has_gradients() const;
  // Whether it also kept how errors of outputs work together, which it does for some tensors only (hessian_file.h).
  bool has_output_side() const;
  // How many positions reached the block of the tensor; 0 if the calibration does not say. Errors: kNotFound.
  Result<int64_t> positions_of(const TensorView& weight) const;
  const std::vector<SafetensorsFile>& files() const { return files_; }

 private:
  struct Location {
    size_t file;
    HessianEntry entry;
    int64_t positions;
  };
  Result<const Location*> locate(const TensorView& weight) const;
  // The same, of these very weights; verifies the tokens.
  Result<const Location*> locate_checked(const TensorView& weight) const;

  std::vector<SafetensorsFile> files_;
  std::vector<Checksums> checksums_;  // of each file
  std::map<std::string, Location> weights_;
};

}  // namespace nwc
