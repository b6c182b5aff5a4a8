#include "libtorch/available_memory.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <string>

namespace nwc {
namespace {

// A file with one number; none for "max" or no file.
std::optional<uint64_t> number_in(const char* path) {
  std::ifstream file(path);
  uint64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;
}

std::optional<uint64_t> free_in_system() {
  std::ifstream file("/proc/meminfo");
  for (std::string key, unit; file >> key;) {
    uint64_t kibibytes = 0;
    if (!(file >> kibibytes)) break;
    if (key == "MemAvailable:") return kibibytes * 1024;
    std::getline(file, unit);
  }
  return std::nullopt;
}

std::optional<uint64_t> free_in_group() {
  const std::optional<uint64_t> most = number_in("/sys/fs/cgroup/memory.max");
  const std::optional<uint64_t> used = number_in("/sys/fs/cgroup/memory.current");
  if (!most || !used) return std::nullopt;
  return *most > *used ? *most - *used : 0;
}

}  // namespace

uint64_t available_memory() {
  const std::optional<uint64_t> system = free_in_system(), group = free_in_group();
  if (system && group) return std::min(*system, *group);
  return system ? *system : group.value_or(0);
}

}  // namespace nwc
