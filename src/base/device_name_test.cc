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

TEST(DeviceName, KnowsListsOfCudaDevices) {
  EXPECT_EQ(parse_device_names("cpu")->size(), 1u);
  EXPECT_FALSE(parse_device_names("cpu")->at(0).cuda);
  EXPECT_FALSE(parse_device_names("cuda")->at(0).number);
  EXPECT_EQ(parse_device_names("cuda:3")->at(0).number, 3);
  const Result<std::vector<DeviceName>> three = parse_device_names("cuda:4,0,11");
  ASSERT_EQ(three->size(), 3u);
  EXPECT_EQ(three->at(0).number, 4);
  EXPECT_EQ(three->at(1).number, 0);
  EXPECT_EQ(three->at(2).number, 11);
  EXPECT_TRUE(three->at(2).cuda);
  EXPECT_TRUE(parse_device_names("cuda:all")->empty());
}

TEST(DeviceName, RefusesEveryOtherList) {
  for (const char* text : {"", "all", "cuda,0", "cuda:0,", "cuda:,1", "cuda:0,,1", "cuda:0,x", "cuda:0,cuda:1", "cpu,0",
                           "cpu,cpu", "cuda:0,all", "cuda:0 ,1"}) {
    const Result<std::vector<DeviceName>> names = parse_device_names(text);
    ASSERT_FALSE(names.ok()) << text;
    EXPECT_EQ(names.error().code(), ErrorCode::kInvalidArgument) << text;
  }
  EXPECT_EQ(parse_device_names("cuda:0,1,0").error().message(), "'cuda:0,1,0' names a device twice");
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
