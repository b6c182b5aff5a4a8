#include "libtorch/device.h"

#include <gtest/gtest.h>
#include <torch/cuda.h>

#include "libtorch/device_list.h"
#include "libtorch/tensors.h"

namespace nwc {
namespace {

TEST(DeviceTest, TheCpuIsAlwaysThere) {
  const Result<ModelDevice> cpu = open_device("cpu");
  ASSERT_TRUE(cpu.ok());
  EXPECT_TRUE(cpu->is_cpu());
  const at::Tensor tensor = torch::ones({2});
  EXPECT_EQ(to_device(tensor, *cpu).data_ptr(), tensor.data_ptr()) << "no copy";
}

TEST(DeviceTest, OtherNamesAreWrong) {
  for (const char* name : {"", "CPU", "cpu:0", "gpu", "cuda:", "cuda0", "cuda:x", "cuda:-1", "cuda:+1", "cuda: 1",
                           "cuda:1x", "cuda:99999999999"}) {
    const Result<ModelDevice> device = open_device(name);
    ASSERT_FALSE(device.ok()) << name;
    EXPECT_EQ(device.error().code(), ErrorCode::kInvalidArgument) << name;
    EXPECT_NE(device.error().to_string().find("cuda:NUMBER"), std::string::npos) << device.error().to_string();
  }
}

TEST(DeviceTest, ADeviceThatIsNotThereIsRefusedByName) {
  const Result<ModelDevice> device = open_device("cuda:4096");
  ASSERT_FALSE(device.ok());
  EXPECT_EQ(device.error().code(), ErrorCode::kUnsupported);
  const std::string text = device.error().to_string();
  EXPECT_NE(text.find("cuda:4096"), std::string::npos) << text;
  const bool advises = text.find("NWCODEC_WITH_CUDA") != std::string::npos;
  EXPECT_NE(advises, torch::cuda::is_available()) << text;
}

TEST(DeviceTest, SeveralAtOnce) {
  EXPECT_EQ(open_devices("cpu")->size(), 1u);
  for (const char* names : {"cuda:0,4096", "cuda:4096"}) {
    const Result<std::vector<ModelDevice>> devices = open_devices(names);
    ASSERT_FALSE(devices.ok()) << names;
    EXPECT_EQ(devices.error().code(), ErrorCode::kUnsupported);
    EXPECT_NE(devices.error().message().find("cuda:"), std::string::npos) << devices.error().message();
  }
  EXPECT_EQ(open_devices("cuda:1,1").error().code(), ErrorCode::kInvalidArgument);
  const Result<std::vector<ModelDevice>> all = open_devices("cuda:all");
  EXPECT_EQ(all.ok(), torch::cuda::is_available());
  if (!all) GTEST_SKIP() << all.error().to_string();
  EXPECT_EQ(all->size(), static_cast<size_t>(torch::cuda::device_count()));
  EXPECT_EQ(all->back().cuda, static_cast<int>(all->size()) - 1);
}

TEST(DeviceTest, OpensWhatIsThere) {
  const Result<ModelDevice> first = open_device("cuda"), zero = open_device("cuda:0");
  EXPECT_EQ(first.ok(), torch::cuda::is_available());
  if (!first) GTEST_SKIP() << first.error().to_string();
  EXPECT_EQ(*first, *zero);
  EXPECT_EQ(first->cuda, 0);
  EXPECT_FALSE(at::globalContext().allowTF32CuBLAS());
  EXPECT_FALSE(at::globalContext().allowTF32CuDNN());
  EXPECT_TRUE(to_device(torch::ones({2}), *first).is_cuda());
}

}  // namespace
}  // namespace nwc
