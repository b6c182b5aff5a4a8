// Decoding compressed tensors somewhere else than on this machine's cores: what Weights::open() and DecompressOptions
// take. nwcodec/cuda_checkpoint.h makes one for a CUDA device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "nwcodec/dtype.h"
#include "nwcodec/result.h"

namespace nwc {

// Belongs to one compressed checkpoint, whose codec it has. The library calls it from one thread at a time.
class DecodeBackend {
 public:
  virtual ~DecodeBackend() = default;

  // Outputs [row_begin, row_end) by inputs [column_begin, column_end) of matrix number `matrix` of one tensor. The
  // spans lie in the checkpoint's mapped files, which stay as they are for the backend's life; `levels` is empty if the
  // tensor has none.
  struct Piece {
    const std::string& name;  // of the original tensor
    std::span<const std::byte> stream, scales, levels;
    uint64_t matrix, row_begin, row_end, column_begin, column_end;
    DType dtype;  // F32, F16 or BF16
  };
  // Writes the piece's weights to `out` as `dtype`, dense, in the original's orientation ([inputs][outputs] if it is
  // transposed); `out` has just that size. Checks the tiles' checksums. Errors: kCorrupt with an offset in the stream
  // where there is one; those of the device. F32 has the bits of the CPU's decoder; F16 and BF16 may differ in the
  // last.
  virtual Status decode(const Piece& piece, std::span<std::byte> out) = 0;
};

}  // namespace nwc
