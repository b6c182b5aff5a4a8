#include "libtorch/device_list.h"

#include <torch/cuda.h>

#include <algorithm>
#include <string>

#include "base/device_name.h"

namespace nwc {

Result<std::vector<ModelDevice>> open_devices(std::string_view names, size_t local_rank) {
  NWC_ASSIGN_OR_RETURN(const std::vector<DeviceName> parsed, parse_device_names(names));
  std::vector<ModelDevice> devices;
  if (parsed.size() == 1) {
    NWC_ASSIGN_OR_RETURN(const ModelDevice device, open_device(names, local_rank));
    return std::vector{device};
  }
  std::vector<int> numbers;
  for (const DeviceName& name : parsed) numbers.push_back(*name.number);
  const int all = std::max(1, static_cast<int>(torch::cuda::device_count()));  // one, for the error where there is none
  for (int number = 0; parsed.empty() && number < all; ++number) numbers.push_back(number);
  for (const int number : numbers) {
    NWC_ASSIGN_OR_RETURN(const ModelDevice device, open_device("cuda:" + std::to_string(number)));
    devices.push_back(device);
  }
  return devices;
}

}  // namespace nwc
