#include "libtorch/available_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace nwc {
namespace {

TEST(AvailableMemory, IsSomeOfWhatTheMachineHas) {
  const uint64_t all = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t free = available_memory();
  EXPECT_LT(free, all);
  EXPECT_GT(free, all / 1000) << "these tests run";
}

}  // namespace
}  // namespace nwc
