// The inputs of a model's blocks, kept from the way there for the way back. Includes LibTorch: private to
// src/calibrate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "libtorch/tensors.h"
#include "nwcodec/result.h"

namespace nwc {

// Where they are, if that is a GPU and they are few; else in this machine's memory, or beyond `memory` bytes in a file
// in `directory` that has no name, so that nothing is left of it however the process ends. Not thread-safe.
class KeptInputs {
 public:
  static constexpr uint64_t kMemory = uint64_t{1} << 28, kMemoryOfDevice = uint64_t{4} << 30;
  // A share of what this machine has free, for models on a GPU: their hosts have much, and files are slow beside them.
  static uint64_t memory_beside_gpu();
  // `name`: for the file, until it has none; other than that of every other object for this directory.
  explicit KeptInputs(std::filesystem::path directory, uint64_t memory = kMemory, std::string name = "inputs")
      : directory_(std::move(directory)), name_(std::move(name)), memory_(memory) {}
  KeptInputs(KeptInputs&&) = default;

  // hidden: float32, on any device. Errors: kIo, for instance without space for the file.
  Status put(size_t block, size_t batch, const at::Tensor& hidden);
  // What was put there, on its device or on the CPU; freed. Precondition: put.
  Result<at::Tensor> take(size_t block, size_t batch);

 private:
  struct Place {
    at::Tensor tensor;  // undefined: in the file
    uint64_t offset = 0;
    std::vector<int64_t> shape;
  };
  Status open_file();

  std::filesystem::path directory_;
  std::string name_;
  uint64_t memory_, used_ = 0, used_of_device_ = 0, end_ = 0;
  std::fstream file_;
  std::map<std::pair<size_t, size_t>, Place> places_;
};

}  // namespace nwc
