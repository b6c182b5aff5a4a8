#include <algorithm>
#include <string>
#include <utility>

#include "cuda/decode/device_types.h"
#include "cuda/matrix/kernels.h"
#include "cuda/matrix/matrix_state.h"

namespace nwc {

using namespace cuda;

namespace {

constexpr uint32_t kMostBatch = 16;
constexpr size_t kCounterBytes = kMostStripes * sizeof(uint32_t);

Result<uint32_t> device_dtype(DType dtype) {
  if (!is_weight_dtype(dtype))
    return Error(ErrorCode::kInvalidArgument, "numbers are F32, F16 or BF16, not " + std::string(name_of(dtype)));
  return dtype == DType::kF32 ? kF32 : dtype == DType::kF16 ? kF16 : kBF16;
}

}  // namespace

CudaMatrix::CudaMatrix(std::unique_ptr<State> state) : state_(std::move(state)) {}
CudaMatrix::CudaMatrix(CudaMatrix&&) noexcept = default;
CudaMatrix& CudaMatrix::operator=(CudaMatrix&&) noexcept = default;
CudaMatrix::~CudaMatrix() = default;
uint64_t CudaMatrix::rows() const { return state_->matrix.rows; }
uint64_t CudaMatrix::columns() const { return state_->matrix.columns; }
size_t CudaMatrix::device_bytes() const {
  return state_->lines.size() + state_->cells.size() + state_->words.size() + state_->corrections.size();
}

Status CudaMatrix::decode(void* out, DType dtype, CUstream_st* stream) const {
  NWC_ASSIGN_OR_RETURN(const uint32_t type, device_dtype(dtype));
  return checked(unpack_matrix(state_->matrix, out, type, stream), "launching the decoder");
}

size_t CudaMatrix::workspace_bytes() const { return kCounterBytes + product_sums(state_->matrix) * sizeof(float); }

Status CudaMatrix::multiply(const void* x, DType dtype, float* y, uint32_t batch, void* workspace,
                            CUstream_st* stream) const {
  if (batch == 0 || batch > kMostBatch) return Error(ErrorCode::kInvalidArgument, "batches are of 1 to 16 vectors");
  NWC_ASSIGN_OR_RETURN(const uint32_t type, device_dtype(dtype));
  auto* const counters = static_cast<uint32_t*>(workspace);
  auto* const sums = reinterpret_cast<float*>(static_cast<std::byte*>(workspace) + kCounterBytes);
  const size_t vector_bytes = columns() * (bits_of(dtype) / 8);
  for (uint32_t first = 0; first < batch; first += kProductBatch) {
    const uint32_t here = std::min(batch - first, kProductBatch);
    NWC_RETURN_IF_ERROR(checked(multiply_matrix(state_->matrix, static_cast<const std::byte*>(x) + first * vector_bytes,
                                                type, y + first * rows(), here, sums, counters, stream),
                                "launching the product"));
  }
  return {};
}

}  // namespace nwc
