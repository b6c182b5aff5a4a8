#include "cli/decode_backend.h"

#include <string>
#include <system_error>

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

}  // namespace nwc::cli
