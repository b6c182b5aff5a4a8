// Kernels of matrices that stay in a device's memory (layout.h). They enqueue on `stream` and return a cudaError_t (0:
// accepted); they neither allocate, validate nor synchronise. cuda/matrix/matrices.cc prepares their arguments.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/matrix/layout.h"

struct CUstream_st;

namespace nwc::cuda {

// Packing: cells of stripes [first_stripe, end_stripe) from their weights in binary32, [rows][columns] from the first
// of those rows on. `encode`: tables to encode with, otherwise as matrix.tables. count_cells() fills bits, words and
// corrections of `cells` and sets *failed where weights are no integers times scales and factors, or not on a path of
// the trellis; write_cells() fills what they point to, whose places the caller has added. `words` are 0 before.
int count_cells(const PairedMatrix& matrix, const PairTables* encode, const float* weights, uint32_t first_stripe,
                uint32_t end_stripe, MatrixCell* cells, uint32_t* failed, CUstream_st* stream);
int write_cells(const PairedMatrix& matrix, const PairTables* encode, const float* weights, uint32_t first_stripe,
                uint32_t end_stripe, MatrixCell* cells, uint32_t* words, Correction* corrections, CUstream_st* stream);

// Runs that a block of the kernels below may work on in so many bytes of shared memory; 0: there is no room.
uint32_t most_block_runs(const PairedMatrix& matrix, uint32_t shared_room);
// Lets the kernels below have so much shared memory on the current device; once, before the first of them.
int prepare_unpacking(uint32_t shared_room);
int prepare_product(uint32_t shared_room);
// Weights to `out`, [rows][columns] in F32, F16 or BF16 (device_types.h), with the bits of the CPU's decoder.
int unpack_matrix(const PairedMatrix& matrix, void* out, uint32_t dtype, CUstream_st* stream);

// Vectors that one product takes.
inline constexpr uint32_t kProductBatch = 8;
// What products need beside the matrix, in device memory: `sums`, so many floats, and a counter for each stripe, 0
// before and after.
size_t product_sums(const PairedMatrix& matrix);
// y[b][row] = sum over columns of W[row][column] x[b][column] for b < batch <= kProductBatch: x [batch][columns] in
// `dtype` (device_types.h), y [batch][rows] in binary32. Integers times binary16(x * scale), sums in binary32, in an
// order that the matrix and the device decide.
int multiply_matrix(const PairedMatrix& matrix, const void* x, uint32_t dtype, float* y, uint32_t batch, float* sums,
                    uint32_t* counters, CUstream_st* stream);

}  // namespace nwc::cuda
