// Hessians of a model's linear layers on disk: what `nwcodec calibrate` writes and `nwcodec compress` reads.
//
// A directory of files hessians-*.safetensors, one per block of the model:
//   hessian.<i>   F32 [matrices, n (n + 1) / 2]: lower triangles, row by row, of the mean of x x^T over the tokens
//                 that a layer saw, where x is its input of n features; several matrices for fused experts
//   tokens.<i>    I64 [matrices]: how many tokens that were
// and in __metadata__ "nwcodec.hessians", JSON:
//   {"weights": {"<tensor name>": {"hessian": i, "hash": "<XXH3 of the tensor's bytes, 16 hex digits>"}, ...},
//    "calibration": {...}}
// Layers with a common input share a Hessian.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "checkpoint/checksums.h"
#include "guide/guide.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"

namespace nwc {

struct StoredHessian {
  uint64_t features = 0;
  std::vector<int64_t> tokens;   // [matrices]
  std::vector<float> triangles;  // [matrices, features (features + 1) / 2]

  uint64_t triangle_size() const { return features * (features + 1) / 2; }
  // One for each matrix, into `triangles`.
  std::vector<HessianView> views() const;
};

struct HessianFile {
  std::vector<StoredHessian> hessians;
  struct Use {
    size_t hessian = 0;
    uint64_t weight_hash = 0;
  };
  std::map<std::string, Use> weights;  // by tensor name
  Json calibration;                    // provenance: texts, sequences, length, seed
};

// "hessians-00012.safetensors".
std::string hessian_file_name(size_t block);
bool is_hessian_file(std::string_view file_name);

// Verifies every byte. Errors: kNotFound, kIo, kCorrupt.
Result<HessianFile> read_hessian_file(const std::filesystem::path& path);
// Only what it was made from; null if the file does not say. Verifies every byte; errors as above.
Result<Json> read_calibration(const std::filesystem::path& path);
// Atomic. Errors: kIo.
Status write_hessian_file(const std::filesystem::path& path, const HessianFile& file);

// Thread safety: const members may be called from several threads at once.
class HessianStore {
 public:
  // Errors: kNotFound if the directory has no such files, or not all yet; kCorrupt, kMismatch (a tensor in two files)
  // by file.
  static Result<HessianStore> open(const std::filesystem::path& directory);

  // The Hessians of a tensor, read; kNotFound if it was not calibrated, kMismatch if they are those of other weights,
  // kCorrupt.
  Result<StoredHessian> find(const TensorView& weight) const;
  const std::vector<SafetensorsFile>& files() const { return files_; }

 private:
  struct Location {
    size_t file;
    const TensorView *hessian, *tokens;
    uint64_t weight_hash;
  };
  std::vector<SafetensorsFile> files_;
  std::vector<Checksums> checksums_;  // of each file
  std::map<std::string, Location> weights_;
};

}  // namespace nwc
