// Which device a text such as "cuda:1" means.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "nwcodec/result.h"

namespace nwc {

struct DeviceName {
  bool cuda = false;          // or the CPU
  std::optional<int> number;  // nullopt for "cuda" alone

  // The device of one of several processes on a machine with `count` devices, dealt out in turn unless a number is
  // given. `local_rank`: among the processes of that machine (Team::local_rank()).
  int number_for(size_t local_rank, int count) const {
    return number ? *number : count > 0 ? static_cast<int>(local_rank % static_cast<size_t>(count)) : 0;
  }
};

// "cpu", "cuda" or "cuda:NUMBER". Errors: kInvalidArgument.
Result<DeviceName> parse_device_name(std::string_view text);

// For commands that compute on several devices at once: also "cuda:NUMBER,NUMBER...", each once, and "cuda:all", which
// is an empty list. Errors: kInvalidArgument.
Result<std::vector<DeviceName>> parse_device_names(std::string_view text);

}  // namespace nwc
