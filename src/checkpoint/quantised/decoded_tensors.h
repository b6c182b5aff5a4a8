// Finds the tensors of a checkpoint that store other numbers than the model computes with, and pairs them with their
// scales.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"

namespace nwc {

struct DecodedTensors {
  std::vector<std::vector<TensorView>> shards;  // the model's tensors, for each of the shards
  std::vector<std::string> notes;               // a sentence each
  bool quantised = false, f64 = false;          // what there is
};

// Whether the tensor's dtype is one that decode_tensors() may change.
inline bool may_be_decoded(const TensorView& tensor) {
  return tensor.dtype == DType::kF64 || tensor.dtype == DType::kF8E4M3 || tensor.dtype == DType::kF8E5M2;
}

// The tensors of `shards`, with those in FP8 and F64 as Checkpoint::tensors() shows them. FP8 stays FP8 where other
// weights of the checkpoint are packed in a format that is not read: config.json describes both at once.
// `find`: a tensor of any shard by its name, or null; the others of its name are already taken out of `shards`.
// Errors: those of float8_format() with the file; kNotFound for FP8 weights without the scales that config.json
// promises.
using TensorFinder = std::function<const TensorView*(const std::string& name)>;
Result<DecodedTensors> decode_tensors(const std::filesystem::path& directory,
                                      const std::vector<SafetensorsFile>& shards,
                                      std::vector<std::vector<TensorView>> tensors, const TensorFinder& find);

}  // namespace nwc
