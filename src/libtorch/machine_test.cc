#include "libtorch/machine.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace nwc {
namespace {

TEST(MachineClass, NamesLibrariesAndTheirKernels) {
  const std::string name = machine_class({});
  EXPECT_EQ(name, machine_class({}));
  EXPECT_TRUE(name.starts_with("LibTorch ")) << name;
  EXPECT_EQ(std::count(name.begin(), name.end(), ','), 2) << name;
  EXPECT_NE(name, machine_class({.cuda = 0}));
}

}  // namespace
}  // namespace nwc
