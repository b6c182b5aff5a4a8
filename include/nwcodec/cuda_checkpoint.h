// Whole checkpoints and CUDA devices. In the library nwcodec::cuda, which is installed, with this header, by
// NWCODEC_WITH_CUDA. Other builds have these functions too, for our own program; they return kUnsupported.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nwcodec/decode_backend.h"
#include "nwcodec/dtype.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

struct CudaLoadOptions {
  std::vector<int> devices = {0};  // tensors are dealt out to them by size
  std::optional<DType> dtype;      // F32, F16 or BF16 for all float weights; otherwise each tensor's original dtype
  bool verify = true;              // check every checksum of the files
  int threads = 0;                 // of the host, for copies and checksums; <= 0: all cores
};

// A checkpoint's tensors in device memory. Owns it; frees it when destroyed.
class CudaWeights {
 public:
  struct Tensor {
    std::string name;
    DType dtype;
    std::vector<uint64_t> shape;  // the original's, row-major
    int device;
    void* data;  // device memory, aligned to 256 bytes
    size_t bytes;
  };

  // Reads a compressed checkpoint from its mapped files through page-locked buffers, copies and decodes, all three
  // overlapped: while one group of tensors is being read by `threads`, another travels and a third is decoded. Tensors
  // that are stored as they are come along. Errors: those of reading; kCorrupt naming file and tensor; kLimit (device
  // memory); kInterrupted.
  static Result<CudaWeights> load(const std::filesystem::path& directory, const CudaLoadOptions& options,
                                  const Progress& progress);
  CudaWeights(CudaWeights&&) noexcept;
  CudaWeights& operator=(CudaWeights&&) noexcept;
  ~CudaWeights();

  const std::vector<Tensor>& list() const;            // in the order of names
  const Tensor* find(const std::string& name) const;  // nullptr if there is none

 private:
  struct State;
  explicit CudaWeights(std::unique_ptr<State> state);
  static Result<CudaWeights> load_checked(const std::filesystem::path& directory, const CudaLoadOptions& options,
                                          const Progress& progress);
  std::unique_ptr<State> state_;
};

// For Weights::open() and DecompressOptions::backend. `device` is "cuda" or "cuda:NUMBER"; `directory` the compressed
// checkpoint. Errors: kInvalidArgument for another name; kUnsupported without such a device or without CUDA; those of
// reading the codec.
Result<std::shared_ptr<DecodeBackend>> cuda_decode_backend(const std::string& device,
                                                           const std::filesystem::path& directory);

}  // namespace nwc
