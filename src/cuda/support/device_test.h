// What the tests and the benchmark of the CUDA decoder share: tensors encoded in memory, decoded on the device.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cuda/support/memory.h"
#include "nwcodec/cuda.h"
#include "tensor/tensor_encoder.h"

namespace nwc::testing {

struct Encoded {
  std::string name;
  std::vector<std::byte> stream, scales, levels;
  StreamHeader header;
};

// Tensors on the device with room for their weights and for what decoding needs.
class DeviceRun {
 public:
  struct Options {
    DType dtype = DType::kBF16;
    bool verify = true;
    unsigned misalignment = 0;  // bytes added to the streams' addresses
    std::optional<CudaSlice> slice;
  };
  static Result<DeviceRun> of(const CudaDecoder& decoder, const std::vector<const Encoded*>& tensors,
                              const Options& options) {
    DeviceRun run;
    std::vector<CudaTensor> jobs;
    for (const Encoded* t : tensors) {
      const size_t size = t->stream.size();
      NWC_ASSIGN_OR_RETURN(cuda::DeviceMemory stream,
                           cuda::DeviceMemory::of((size + options.misalignment + 3) / 4 * 4));
      std::byte* const at = stream.bytes() + options.misalignment;
      NWC_RETURN_IF_ERROR(cuda::checked(cudaMemcpy(at, t->stream.data(), size, cudaMemcpyHostToDevice), "copying"));
      uint64_t elements = t->header.elements();
      if (options.slice)
        elements = (options.slice->row_end - options.slice->row_begin) *
                   (options.slice->column_end - options.slice->column_begin);
      NWC_ASSIGN_OR_RETURN(cuda::DeviceMemory out, cuda::DeviceMemory::of(elements * bits_of(options.dtype) / 8));
      cudaMemset(out.data(), 0xFF, out.size());  // NaN in every dtype
      jobs.push_back({t->name, t->stream, t->scales, t->levels, at, out.data(), options.dtype, options.slice});
      run.streams_.push_back(std::move(stream));
      run.outs_.push_back(std::move(out));
    }
    NWC_ASSIGN_OR_RETURN(CudaBatch batch, CudaBatch::plan(decoder, jobs, {.verify = options.verify, .threads = 0}));
    run.batch_ = std::make_unique<CudaBatch>(std::move(batch));
    NWC_ASSIGN_OR_RETURN(run.scratch_, cuda::DeviceMemory::of(run.batch_->scratch_bytes()));
    NWC_ASSIGN_OR_RETURN(run.statuses_, cuda::DeviceMemory::of(run.batch_->tile_count() * 4));
    cudaMemset(run.statuses_.data(), 0xFF, run.statuses_.size());
    NWC_ASSIGN_OR_RETURN(run.staging_, cuda::PinnedMemory::of(run.batch_->staging_bytes()));
    NWC_RETURN_IF_ERROR(run.batch_->upload(run.scratch_.data(), run.staging_.data(), nullptr));
    return run;
  }
  const CudaBatch& batch() const { return *batch_; }
  void* scratch() const { return scratch_.data(); }
  uint32_t* status_words() const { return static_cast<uint32_t*>(statuses_.data()); }
  Status enqueue(CUstream_st* stream = nullptr) const { return batch_->decode(scratch(), status_words(), stream); }
  // Waits; then the batch's verdict.
  Status verdict() const {
    NWC_RETURN_IF_ERROR(cuda::checked(cudaDeviceSynchronize(), "decoding"));
    std::vector<uint32_t> words(batch_->tile_count());
    NWC_RETURN_IF_ERROR(
        cuda::checked(cudaMemcpy(words.data(), statuses_.data(), statuses_.size(), cudaMemcpyDeviceToHost), "copying"));
    return batch_->check(words);
  }
  std::vector<std::byte> weights(size_t tensor) const {
    std::vector<std::byte> bytes(outs_[tensor].size());
    cudaMemcpy(bytes.data(), outs_[tensor].data(), bytes.size(), cudaMemcpyDeviceToHost);
    return bytes;
  }
  void* out(size_t tensor) const { return outs_[tensor].data(); }

 private:
  std::vector<cuda::DeviceMemory> streams_, outs_;
  cuda::DeviceMemory scratch_, statuses_;
  cuda::PinnedMemory staging_;
  std::unique_ptr<CudaBatch> batch_;
};

}  // namespace nwc::testing
