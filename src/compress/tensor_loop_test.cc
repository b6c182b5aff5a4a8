#include "compress/tensor_loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "guide/guide_source.h"
#include "team/team.h"

namespace nwc {
namespace {

constexpr uint64_t kMega = uint64_t{1} << 20;

TEST(TensorsAtOnce, AreAsManyAsTheLargestLeaveRoomFor) {
  const auto at_once = [](const std::vector<uint64_t>& bytes, int threads) { return tensors_at_once(bytes, threads); };
  EXPECT_EQ(at_once({}, 4), 1u);
  EXPECT_EQ(at_once({1, 1, 1}, 2), 2u);
  EXPECT_EQ(at_once({1, 1, 1}, 16), 3u);
  EXPECT_EQ(at_once({1000 * kMega, 1, 1}, 16), 1u);
  EXPECT_EQ(at_once({1, 1, 300 * kMega, 1, 212 * kMega}, 16), 2u) << "512 MiB, were it not for the small ones";
  EXPECT_EQ(at_once({1, 1, 300 * kMega, 1, 200 * kMega}, 16), 5u);
}

class TensorLoopTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 9; ++i) {
      values_.push_back(static_cast<float>(i));
      views_.push_back(
          {.name = "t" + std::to_string(i), .dtype = DType::kF32, .shape = {1, 1}, .bytes = {}, .file_offset = 0});
    }
    for (size_t i = 0; i < views_.size(); ++i) {
      views_[i].bytes = std::as_bytes(std::span(values_).subspan(i, 1));
      tensors_.push_back({&views_[i], false});
    }
  }

  std::vector<float> values_;
  std::vector<TensorView> views_;
  std::vector<SelectedTensor> tensors_;
  std::unique_ptr<Team> team_ = make_solo_team();
};

TEST_F(TensorLoopTest, EveryTensorOnceWithItsWeights) {
  for (const int threads : {1, 4}) {
    std::vector<std::atomic<int>> seen(tensors_.size());
    const Progress none;
    const TensorLoop loop{tensors_, nullptr, *team_, false, threads, none, "looking"};
    ASSERT_TRUE(loop.run([&](size_t i, const WeightMatrix& weights) -> Status {
      EXPECT_EQ(weights.name, views_[i].name);
      EXPECT_EQ(weights.at(0), values_[i]);
      ++seen[i];
      return {};
    }));
    for (const auto& count : seen) EXPECT_EQ(count, 1);
  }
}

TEST_F(TensorLoopTest, ProgressIsToldByTheCallingThreadOnly) {
  const std::thread::id caller = std::this_thread::get_id();
  const Progress progress{.report = [&](uint64_t done, uint64_t total, const std::string& what) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_LT(done, total);
    EXPECT_EQ(total, 9u);
    EXPECT_EQ(what, "looking");
  }};
  const TensorLoop loop{tensors_, nullptr, *team_, false, 4, progress, "looking"};
  EXPECT_TRUE(loop.run([](size_t, const WeightMatrix&) -> Status { return {}; }));
}

TEST_F(TensorLoopTest, StopsWhereItIsTold) {
  std::atomic<bool> stop{true};
  const Progress progress{.stop = &stop};
  const TensorLoop loop{tensors_, nullptr, *team_, false, 4, progress, "looking"};
  const Status status = loop.run([](size_t, const WeightMatrix&) -> Status {
    ADD_FAILURE() << "ran";
    return {};
  });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kInterrupted);
}

TEST_F(TensorLoopTest, OnADeviceOneAtATime) {
  std::atomic<int> inside{0};
  const Progress none;
  const TensorLoop loop{tensors_, nullptr, *team_, true, 4, none, "looking"};
  EXPECT_TRUE(loop.run([&](size_t, const WeightMatrix&) -> Status {
    EXPECT_EQ(++inside, 1);
    --inside;
    return {};
  }));
}

}  // namespace
}  // namespace nwc
