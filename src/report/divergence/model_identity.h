// Whether checkpoints hold the same model, however they are compressed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "nwcodec/dtype.h"
#include "nwcodec/result.h"

namespace nwc {

struct ModelIdentity {
  struct PlainTensor {
    uint64_t hash;  // XXH3 of its bytes
    DType dtype;
  };
  std::filesystem::path directory;
  Json config;                                          // config.json without what says how numbers are stored
  std::map<std::string, std::vector<uint64_t>> shapes;  // of the original's tensors
  // Stored as they are, outside the numbered blocks: the last norm, embeddings. Nothing that compression does, recovery
  // included, changes these.
  std::map<std::string, PlainTensor> plain;

  // Errors: those of reading a checkpoint, plain or compressed. Reads the bytes of `plain`.
  static Result<ModelIdentity> of(const std::filesystem::path& directory);
};

// kMismatch naming the first key of config.json, or the tensor, in which `other` is not `first`: keys, names, shapes,
// and the hash of tensors that both store as they are. Weights that were fine-tuned without a change to the last norm
// and to plain embeddings are not told apart.
Status check_same_model(const ModelIdentity& first, const ModelIdentity& other);

}  // namespace nwc
