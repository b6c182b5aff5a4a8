// What tests and benchmarks need of the CUDA decoder, and programs that embed it do not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "codec/codec.h"
#include "nwcodec/cuda.h"

namespace nwc::cuda {

struct DecoderHooks {
  struct Options {
    // Use only the instructions and the shared memory that devices of compute capability 8.0 have: a way to see on a
    // newer device what an older one would do.
    bool oldest_instructions = false;
  };
  // As CudaDecoder::open(), from a codec in memory.
  static Result<CudaDecoder> create(std::shared_ptr<const Codec> codec, int device, const Options& options);

  // The entropy decoder alone, for streams that the fused kernel takes (errors: kUnsupported for others): 16 bytes per
  // chunk in the order of the tiles, each tile's chunks rounded up to 32; escapes are 255, other symbols are shifted
  // accordingly.
  static size_t symbol_bytes(const CudaBatch& batch) { return batch.symbol_bytes(); }
  static Status decode_symbols(const CudaBatch& batch, void* scratch, uint8_t* symbols, uint32_t* statuses,
                               CUstream_st* stream) {
    return batch.decode_symbols(scratch, symbols, statuses, stream);
  }
};

}  // namespace nwc::cuda
