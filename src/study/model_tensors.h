// The linear weights of a plain checkpoint, as studies go through them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"
#include "weights/selection.h"
#include "weights/weight_matrix.h"

namespace nwc {

// Where in the model a tensor stands (weights/tensor_name.h): its block's number, or -1 outside blocks, and its layer.
struct TensorPlace {
  int64_t depth = -1;
  std::string type;
  static TensorPlace of(std::string_view name);
};

// Thread safety: const members may be called from several threads at once.
class ModelTensors {
 public:
  struct Tensor {
    WeightMatrix weights;  // points into the checkpoint's mapping, unless it had to be decoded
    std::vector<uint64_t> shape;
    TensorPlace place;
    std::string file;  // for messages
    const SafetensorsFile* shard;
    const TensorView* view;
  };

  // Those that `nwcodec compress` would take with the same selection. Errors: those of opening a checkpoint and of a
  // selection; kInvalidArgument if nothing is selected.
  static Result<ModelTensors> open(const std::filesystem::path& directory, const SelectionOptions& selection);

  // By depth, then by name.
  const std::vector<Tensor>& list() const { return tensors_; }
  // nullptr if there is none of that name.
  const Tensor* find(const std::string& name) const;
  // Advises the kernel that the tensor will not be read again soon.
  static void release(const Tensor& tensor) { tensor.shard->release(*tensor.view); }

 private:
  explicit ModelTensors(Checkpoint checkpoint) : checkpoint_(std::move(checkpoint)) {}
  Checkpoint checkpoint_;
  std::vector<Tensor> tensors_;
};

}  // namespace nwc
