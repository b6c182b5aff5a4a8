// Stands in for the encoder's device in builds without CUDA.
#include "encode/device.h"

namespace nwc {

Result<std::unique_ptr<EncodeDevice>> open_encode_device(const std::string& device) {
  return Error(ErrorCode::kUnsupported, "this program was built without CUDA: no device '" + device + "'")
      .remedy("compress on the CPU, or configure with -DNWCODEC_WITH_CUDA=ON");
}

}  // namespace nwc
