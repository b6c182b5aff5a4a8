// What calibration measured on the linear layers of one block, in one file.
//
// A safetensors file, with g the gradient, at a layer's output, of the log-probability that the model gives to a token
// drawn from its own prediction (of encoders: of the embedding's product with Gaussian noise), x the layer's input, and
// all means over the tokens that the layer saw:
//   hessian.<i>   F32 [matrices, n (n + 1) / 2]: lower triangles, row by row, of the mean of x x^T; several matrices
//   for
//                 fused experts. Layers with a common input share one
//   tokens.<i>    I64 [matrices]: how many tokens that were
//   fisher.<k>.inputs      F32 [matrices, n (n + 1) / 2]: the mean of |g|^2 x x^T
//   fisher.<k>.rows        F32 [matrices, m]: the mean of g_i^2, for each of the m outputs
//   fisher.<k>.outputs     F32 [matrices, m (m + 1) / 2]: the mean of g g^T; not of experts, and of the rest
//                          only if it was asked for
//   fisher.<k>.effective   F32 [matrices]: (sum w)^2 / sum w^2 with w = |g|^2 of each token, how many of equal weight
//                          tell as much; not in files of older versions
// and in __metadata__ "nwcodec.hessians", JSON:
//   {"weights": {"<tensor name>": {"hessian": i, "fisher": k, "hash": "<XXH3 of the tensor's bytes, 16 hex digits>"},
//                ...},
//    "positions": <tokens that reached the block>, "calibration": {...}}
// "fisher" and "positions" are there if calibration walked backwards. Then there is also a file of the model's two ends
// (kHessianEndsName), whose weights have "end": true. What an embedding's inputs are to it, single tokens, has no
// second moment worth the name; the means of g g^T take its place, in hessian.<i> and fisher.<k>.inputs, and the mean
// of |g|^2 over all positions, counted where token i stands, that of g_i^2, in fisher.<k>.rows. A tensor that is
// embedding and head has "hessian" and "fisher" as a head, and as an embedding "lookup": k.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
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

// Kronecker factors of a layer's Fisher information: the second moments of its gradients, g x^T for each token.
struct StoredFisher {
  uint64_t matrices = 0, features = 0, output_features = 0;
  std::vector<float> inputs;          // [matrices, features (features + 1) / 2]
  std::vector<float> rows;            // [matrices, output_features]
  std::vector<float> outputs;         // [matrices, output_features (output_features + 1) / 2], or empty
  std::vector<float> effective = {};  // tokens of equal weight that tell as much; [matrices], or empty if not known
};

struct HessianFile {
  std::vector<StoredHessian> hessians;
  std::vector<StoredFisher> fishers;
  struct Use {
    size_t hessian = 0;
    uint64_t weight_hash = 0;
    std::optional<size_t> fisher = {};
    std::optional<size_t> lookup = {};  // of an embedding that is the head too
    bool end = false;                   // an embedding or a head
  };
  std::map<std::string, Use> weights;  // by tensor name
  int64_t positions = 0;               // that reached the block; 0 without gradients
  Json calibration;                    // provenance: texts, sequences, length, seed
};

inline constexpr const char* kHessianEndsName = "hessians-ends.safetensors";
// "hessians-00012.safetensors".
std::string hessian_file_name(size_t block);
bool is_hessian_file(std::string_view file_name);

// Verifies every byte. Errors: kNotFound, kIo, kCorrupt.
Result<HessianFile> read_hessian_file(const std::filesystem::path& path);
// Only what it was made from; null if the file does not say. Verifies every byte; errors as above.
Result<Json> read_calibration(const std::filesystem::path& path);
// Atomic. Errors: kIo.
Status write_hessian_file(const std::filesystem::path& path, const HessianFile& file);

// Where things stand in an open file, for readers of single tensors.
struct HessianEntry {
  uint64_t hessian_number = 0, weight_hash = 0;
  const TensorView *hessian = nullptr, *tokens = nullptr;
  // All nullptr without gradients; fisher_outputs also where it was not asked for,
  // fisher_effective in files of older versions.
  const TensorView *fisher_inputs = nullptr, *fisher_rows = nullptr, *fisher_outputs = nullptr;
  const TensorView* fisher_effective = nullptr;
  std::optional<uint64_t> fisher_number = {};
  // Likewise of the look-up in an embedding that is the head too.
  const TensorView *lookup_inputs = nullptr, *lookup_rows = nullptr, *lookup_effective = nullptr;
  std::optional<uint64_t> lookup_number = {};
  bool end = false;

  StoredHessian read_hessian() const;
  std::vector<int64_t> read_tokens() const;
  StoredFisher read_fisher() const;  // precondition: fisher_number
  StoredFisher read_lookup() const;  // precondition: lookup_number
};
struct HessianIndex {
  std::map<std::string, HessianEntry> weights;  // by tensor name
  int64_t positions = 0;
  Json calibration;
};
// Checks all shapes against each other. Errors: kCorrupt.
Result<HessianIndex> index_of(const SafetensorsFile& file);

}  // namespace nwc
