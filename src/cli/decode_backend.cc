#include "cli/decode_backend.h"

#include <string>
#include <system_error>
#include <utility>

#include "checkpoint/index.h"
#include "nwcodec/cuda_checkpoint.h"

namespace nwc::cli {

Result<std::shared_ptr<DecodeBackend>> decode_backend_for(ModelDevice device, const std::filesystem::path& checkpoint) {
  std::error_code ignored;
  if (device.is_cpu() || !std::filesystem::exists(checkpoint / kCodecFileName, ignored))
    return std::shared_ptr<DecodeBackend>();
  Result<std::shared_ptr<DecodeBackend>> backend =
      cuda_decode_backend("cuda:" + std::to_string(device.cuda), checkpoint);
  if (!backend && backend.error().code() == ErrorCode::kUnsupported) return std::shared_ptr<DecodeBackend>();
  return backend;
}

Result<CausalLm> open_causal_lm(const std::filesystem::path& checkpoint, int threads, ModelDevice device,
                                const LayerOptions& layers) {
  NWC_ASSIGN_OR_RETURN(std::shared_ptr<DecodeBackend> backend, decode_backend_for(device, checkpoint));
  return CausalLm::open(checkpoint, {.threads = threads,
                                     .device = device,
                                     .decode_backend = std::move(backend),
                                     .layers = layers.layers,
                                     .base = layers.base});
}

}  // namespace nwc::cli
