#include "base/device_name.h"

#include <gtest/gtest.h>

namespace nwc {
namespace {

TEST(DeviceName, KnowsTheCpuAndCudaDevices) {
  EXPECT_FALSE(parse_device_name("cpu")->cuda);
  EXPECT_TRUE(parse_device_name("cuda")->cuda);
  EXPECT_FALSE(parse_device_name("cuda")->number);
  EXPECT_EQ(parse_device_name("cuda:0")->number, 0);
  EXPECT_EQ(parse_device_name("cuda:12")->number, 12);
}

TEST(DeviceName, RefusesEverythingElse) {
  for (const char* text :
       {"", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda:+1", "cuda:1x", "cuda0", "cuda:99999999999", "cpu:0"}) {
    const Result<DeviceName> name = parse_device_name(text);
    ASSERT_FALSE(name.ok()) << text;
    EXPECT_EQ(name.error().code(), ErrorCode::kInvalidArgument) << text;
  }
}

TEST(DeviceName, DealsDevicesOutToProcesses) {
  const DeviceName any{.cuda = true}, third{.cuda = true, .number = 2};
  EXPECT_EQ(any.number_for(0, 4), 0);
  EXPECT_EQ(any.number_for(5, 4), 1);
  EXPECT_EQ(any.number_for(3, 0), 0);
  EXPECT_EQ(third.number_for(5, 4), 2);
}

}  // namespace
}  // namespace nwc
