// Stands in for the encoder's device in builds without CUDA.
#include "base/device_name.h"
#include "tensor/device.h"

namespace nwc {

Result<std::unique_ptr<EncodeDevice>> open_encode_device(const std::string& device, size_t) {
  NWC_ASSIGN_OR_RETURN(const DeviceName name, parse_device_name(device));
  if (!name.cuda) return std::unique_ptr<EncodeDevice>();
  return Error(ErrorCode::kUnsupported,
               "this program was built without CUDA: the device " + device + " is not available")
      .remedy("choose cpu, or configure with -DNWCODEC_WITH_CUDA=ON");
}

}  // namespace nwc
