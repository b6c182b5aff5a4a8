// Stands in for the CUDA library in builds without it.
#include "nwcodec/cuda_checkpoint.h"

namespace nwc {

namespace {
Error without_cuda() {
  return Error(ErrorCode::kUnsupported, "this program was built without CUDA")
      .remedy("decode on the CPU, or configure with -DNWCODEC_WITH_CUDA=ON");
}
}  // namespace

struct CudaWeights::State {
  std::vector<Tensor> tensors;
};
CudaWeights::CudaWeights(std::unique_ptr<State> state) : state_(std::move(state)) {}
CudaWeights::CudaWeights(CudaWeights&&) noexcept = default;
CudaWeights& CudaWeights::operator=(CudaWeights&&) noexcept = default;
CudaWeights::~CudaWeights() = default;
const std::vector<CudaWeights::Tensor>& CudaWeights::list() const { return state_->tensors; }
const CudaWeights::Tensor* CudaWeights::find(const std::string&) const { return nullptr; }
Result<CudaWeights> CudaWeights::load(const std::filesystem::path&, const CudaLoadOptions&, const Progress&) {
  return without_cuda();
}

Result<std::shared_ptr<DecodeBackend>> cuda_decode_backend(const std::string&, const std::filesystem::path&) {
  return without_cuda();
}

}  // namespace nwc
