// Decoding on CUDA devices: compressed streams in device memory to weights in device memory. In the library
// nwcodec::cuda, which is built and installed, with this header, by NWCODEC_WITH_CUDA; nothing here needs the CUDA
// headers.
//
// Accuracy. F32 output has the bits of the CPU decoder. F16 and BF16 of codecs of the shipped shapes come from the
// tensor cores: symbols are exact, activations are binary16; against the network in binary64 the relative error (root
// mean square) is below 2^-8. Weights that would leave binary16 on the way are computed again as for F32.
//
// Streams that a GPU decodes fastest have short runs and small tiles: `nwcodec compress --tile-chunks 512 --run-groups
// 1` (docs/results.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "nwcodec/dtype.h"
#include "nwcodec/result.h"

struct CUstream_st;  // cudaStream_t

namespace nwc {

namespace cuda {
struct DecoderHooks;
}

// Devices that this process can use; 0 without a driver.
int cuda_device_count();

// Status words in device memory, one per tile of a batch.
inline constexpr uint32_t kCudaTileDecoded = 0;
inline constexpr uint32_t kCudaTileDamaged = 1;  // its weights must not be used

// A codec on one device. Owns host and device memory (about 3 MB for `fast`, 17 MB for `paper`). Immutable; threads
// share it.
class CudaDecoder {
 public:
  // `path`: a checkpoint's codec.safetensors. Errors: those of reading; kUnsupported (no such device, compute
  // capability below 8.0); kLimit (no memory on the device).
  static Result<CudaDecoder> open(const std::filesystem::path& path, int device = 0);
  CudaDecoder(CudaDecoder&&) noexcept;
  CudaDecoder& operator=(CudaDecoder&&) noexcept;
  ~CudaDecoder();

  int device() const;

  struct State;  // the library's

 private:
  friend class CudaBatch;
  friend class CudaMatrices;
  friend struct cuda::DecoderHooks;
  explicit CudaDecoder(std::unique_ptr<State> state);
  const State& state() const { return *state_; }
  std::unique_ptr<State> state_;
};

// Outputs [row_begin, row_end) by inputs [column_begin, column_end) of one matrix.
struct CudaSlice {
  uint64_t matrix = 0, row_begin = 0, row_end = 0, column_begin = 0, column_end = 0;
};

// One tensor to decode.
struct CudaTensor {
  std::string name;  // of the original tensor
  std::span<const std::byte> stream, scales,
      levels;  // host memory; read by plan() only. levels: empty if there are none
  // Device memory with the bytes of `stream`, readable up to the next multiple of 4 behind them. Any alignment.
  const void* device_stream = nullptr;
  // Device memory for the weights: the tensor in the original's storage order, or a slice as a dense row-major matrix
  // ([columns][rows] if the original is transposed). Aligned to the element; rows that begin at multiples of 16 bytes
  // are written faster.
  void* out = nullptr;
  DType dtype = DType::kBF16;  // F32, F16 or BF16
  std::optional<CudaSlice> slice;
};

// Tensors decoded together: planned on the host once, decoded on a stream any number of times. Movable; const members
// are thread-safe.
class CudaBatch {
 public:
  struct Options {
    bool verify = true;  // check every tile's checksum in host memory (about 10 GB/s on a core)
    int threads = 1;     // for that; <= 0: all cores
  };
  // Parses and checks all that the CPU decoder checks before it decodes; sizes that streams declare are compared with
  // real ones here. The decoder must outlive the batch. Errors name the tensor.
  static Result<CudaBatch> plan(const CudaDecoder& decoder, std::span<const CudaTensor> tensors,
                                const Options& options);
  static Result<CudaBatch> plan(const CudaDecoder& decoder, std::span<const CudaTensor> tensors) {
    return plan(decoder, tensors, Options());
  }
  CudaBatch(CudaBatch&&) noexcept;
  CudaBatch& operator=(CudaBatch&&) noexcept;
  ~CudaBatch();

  // Device memory that upload() and decode() want, aligned to 256 bytes.
  size_t scratch_bytes() const;
  size_t tile_count() const;
  // Tiles that go through the fused kernel; the others take passes over scratch memory.
  size_t fused_tile_count() const;

  // Page-locked host memory that upload() wants; the caller's until the copy is done.
  size_t staging_bytes() const;
  // Enqueues the copy of tables and tile descriptions to scratch memory.
  Status upload(void* scratch, void* staging, CUstream_st* stream) const;
  // Enqueues the decoding; allocates nothing, waits for nothing. `scratch` is what upload() was given, earlier on the
  // stream. `statuses`: device memory for tile_count() words.
  Status decode(void* scratch, uint32_t* statuses, CUstream_st* stream) const;
  // After both, with the statuses in host memory: kCorrupt naming the first damaged tensor and tile.
  Status check(std::span<const uint32_t> statuses) const;

  // y[b][row] += sum over columns of W[row][column] x[b][column], straight from the compressed bytes: x is
  // [batch][columns] in F16, y [batch][rows] in F32, batch 1 to 16, all in device memory. For a batch of one whole
  // two-dimensional tensor that is not transposed, has a multiple of 32 columns, no levels and only fused tiles
  // (errors: kUnsupported). A tile with patches, or numbers beyond binary16, gets the status kCudaTileDamaged; y is
  // then unusable, and the matrix wants decode().
  Status multiply(void* scratch, const void* x, float* y, uint32_t batch, uint32_t* statuses,
                  CUstream_st* stream) const;

  struct State;  // the library's

 private:
  friend struct cuda::DecoderHooks;
  size_t symbol_bytes() const;
  Status decode_symbols(void* scratch, uint8_t* symbols, uint32_t* statuses, CUstream_st* stream) const;
  explicit CudaBatch(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace nwc
