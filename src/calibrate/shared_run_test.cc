// Calibrations that several devices, or several processes, share: here devices that are all this machine's cores, and
// processes that are threads.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <string>

#include "calibrate/calibrate.h"
#include "calibrate/dropped_batches.h"
#include "calibrate/second_moment.h"
#include "calibrate/square_sums.h"
#include "guide/hessian_file.h"
#include "libtorch/tensors.h"
#include "nwcodec/checkpoint.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"
#include "support/thread_team.h"
#include "support/toy_checkpoint.h"
#include "support/toy_encoder.h"

namespace nwc {
namespace {

std::map<std::string, std::string> files_in(const std::filesystem::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    files[entry.path().filename().string()] = testing::read_file(entry.path());
  return files;
}

class SharedRun : public ::testing::Test {
 protected:
  SharedRun() {
    testing::write_toy_checkpoint(model_, testing::toy_tensors(1));
    for (int i = 0; i < 400; ++i) text_.ids.push_back((i * 37 + i / 7) % static_cast<int>(testing::kToyVocab));
    text_.name = "text";
  }
  CalibrateOptions options(const std::string& output, size_t devices = 1) const {
    return {.model = model_.path(),
            .output = directory_.path() / output,
            .sequences = 7,
            .length = 16,
            .gradients = true,
            .outputs = true,
            .threads = 1,
            .more_devices = std::vector<ModelDevice>(devices - 1)};
  }
  std::map<std::string, std::string> files(const std::string& output) const { return files_in(directory_ / output); }

  testing::TempDir directory_, model_;
  CalibrationText text_;
};

TEST_F(SharedRun, DevicesWriteTheSameBytesAsOne) {
  for (const bool gradients : {false, true}) {
    const std::string kind = gradients ? "gradients" : "plain";
    CalibrateOptions one = options(kind);
    one.gradients = one.outputs = gradients;
    ASSERT_TRUE(calibrate(one, {&text_, 1}, {}));
    EXPECT_EQ(files(kind).size(), gradients ? 4u : 3u) << "blocks, ends and sequences";
    for (const size_t devices : {2, 3, 9}) {  // more of them than sequences, too
      const std::string name = kind + std::to_string(devices);
      CalibrateOptions several = options(name, devices);
      several.gradients = several.outputs = gradients;
      std::atomic<uint64_t> steps = 0;
      Progress progress;
      progress.report = [&](uint64_t, uint64_t total, const std::string&) {
        ++steps;
        EXPECT_EQ(total, gradients ? 35u : 14u);
      };
      const Result<CalibrateReport> report = calibrate(several, {&text_, 1}, progress);
      ASSERT_TRUE(report) << report.error().to_string();
      EXPECT_EQ(steps, gradients ? 35u : 14u);
      EXPECT_EQ(report->tokens, 7 * 16);
      EXPECT_EQ(files(name), files(kind)) << name;
    }
  }
}

TEST_F(SharedRun, ProcessesWriteTheSameBytesAsOne) {
  ASSERT_TRUE(calibrate(options("one"), {&text_, 1}, {}));
  for (const size_t ranks : {2, 3}) {
    const std::string name = "ranks" + std::to_string(ranks);
    testing::ThreadTeams teams(ranks);
    const auto reports = teams.run([&](Team& team) { return calibrate(options(name, 2), {&text_, 1}, {}, &team); });
    for (const auto& report : reports) ASSERT_TRUE(*report) << report->error().to_string();
    EXPECT_EQ((*reports[0])->hessians, 8u);
    EXPECT_EQ((*reports[0])->sequences, 7);
    EXPECT_EQ(files(name), files("one")) << name;
  }
}

TEST_F(SharedRun, OneGoesOnWhereSeveralWereInterrupted) {
  ASSERT_TRUE(calibrate(options("one"), {&text_, 1}, {}));
  std::atomic<bool> stop = false;
  std::atomic<int> steps = 0;
  Progress progress;
  progress.stop = &stop;
  // Each of the ranks has a share of the 14 steps there, the 7 at the turn and the 14 back.
  progress.report = [&](uint64_t, uint64_t, const std::string& what) {
    if (++steps > 21 && what == "block 0") stop = true;
  };
  testing::ThreadTeams teams(2);
  teams.run([&](Team& team) { return calibrate(options("h"), {&text_, 1}, progress, &team); });
  const Result<CalibrateReport> resumed = calibrate(options("h", 2), {&text_, 1}, {});
  ASSERT_TRUE(resumed) << resumed.error().to_string();
  EXPECT_EQ(resumed->blocks_from_earlier_run, 1u);
  EXPECT_EQ(files("h"), files("one"));
}

TEST_F(SharedRun, ProcessesWithOtherArgumentsAreRefused) {
  testing::ThreadTeams teams(3);
  const auto reports = teams.run([&](Team& team) {
    CalibrateOptions mine = options("h");
    mine.seed = team.rank() == 2 ? 5 : 1;
    return calibrate(mine, {&text_, 1}, {}, &team);
  });
  ASSERT_FALSE(*reports[2]);
  EXPECT_EQ(reports[2]->error().code(), ErrorCode::kMismatch);
  EXPECT_EQ(reports[2]->error().message(), "rank 0 was started with seed 1, this run has 5");
  EXPECT_FALSE(*reports[0]);
}

TEST_F(SharedRun, AnErrorNamesTheSequenceWhoeverHasIt) {
  testing::ToyTensors tensors = testing::toy_tensors(1);
  for (float& v : tensors["model.layers.1.mlp.down_proj.weight"].values) v = INFINITY;
  testing::write_toy_checkpoint(model_, tensors);
  const Result<CalibrateReport> report = calibrate(options("h", 3), {&text_, 1}, {});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::kNonFinite);
  EXPECT_NE(report.error().message().find("of text"), std::string::npos) << report.error().message();
}

TEST_F(SharedRun, DroppedBatchesAreThoseOfAllProcesses) {
  const Checkpoint checkpoint = *Checkpoint::open(model_.path());
  const auto dropped = [&](size_t batches) {
    testing::ThreadTeams teams(2);
    return teams.run([&](Team& team) -> Result<CalibrateReport> {
      CalibrateReport report;
      DroppedBatches drops(batches, checkpoint, report);
      // Of the second rank the first, and the last.
      if (team.leads()) {
        NWC_RETURN_IF_ERROR(drops.drop(30, "thirty"));
      } else {
        NWC_RETURN_IF_ERROR(drops.drop(200, "two hundred"));
        NWC_RETURN_IF_ERROR(drops.drop(4, "four"));
      }
      NWC_RETURN_IF_ERROR(drops.settle(team));
      NWC_RETURN_IF_ERROR(drops.settle(team));
      return report;
    });
  };
  const auto few = dropped(300);
  ASSERT_TRUE(*few[0] && *few[1]);
  EXPECT_EQ((*few[0])->sequences_without_gradient, 3);
  EXPECT_EQ((*few[0])->warnings, (std::vector<std::string>{"four, which is left out", "thirty, which is left out",
                                                           "two hundred, which is left out"}));
  const auto many = dropped(299);
  ASSERT_FALSE(*many[0] || *many[1]);
  EXPECT_EQ(many[0]->error().message(), "two hundred; so it is in 3 of 299 sequences");
}

TEST(SharedEncoderRun, DevicesAndProcessesWriteTheSameBytesAsOne) {
  const testing::TempDir model, directory;
  write_toy_checkpoint(model, testing::toy_dinov2(), testing::kToyDinov2);
  const auto images = directory.add(  // three batches and a half
      "images.safetensors", testing::SafetensorsBuilder()
                                .add("pixel_values", "F32", {28, 3, 8, 8},
                                     testing::raw<float>(testing::toy_tensor({28, 3, 8, 8}, 1, 5).values))
                                .bytes());
  const auto options = [&](const std::string& name, size_t devices) {
    return CalibrateOptions{.model = model.path(),
                            .output = directory / name,
                            .gradients = true,
                            .threads = 1,
                            .more_devices = std::vector<ModelDevice>(devices - 1)};
  };
  const Result<CalibrateReport> one = calibrate_encoder(options("one", 1), images, {});
  ASSERT_TRUE(one) << one.error().to_string();
  testing::ThreadTeams teams(2);
  const auto reports =
      teams.run([&](Team& team) { return calibrate_encoder(options("several", 2), images, {}, &team); });
  for (const auto& report : reports) ASSERT_TRUE(*report) << report->error().to_string();
  EXPECT_EQ((*reports[0])->tokens, one->tokens);
  EXPECT_EQ(files_in(directory / "several"), files_in(directory / "one"));
}

// Held in panels of three rows, and by two devices.
TEST(SecondMoment, PanelsAreOneTriangle) {
  torch::manual_seed(3);
  const at::Tensor x = torch::randn({5, 8}), y = torch::randn({6, 8});
  SecondMoment whole(8), panels(8, 3), other(8, 3);
  whole.add(x);
  whole.add(y);
  panels.add(x);
  other.add(y);
  panels.add(other);
  panels.add(SecondMoment(8, 3));
  EXPECT_EQ(panels.tokens(), 11);
  std::vector<float> wanted, got;
  whole.append_triangle(wanted);
  panels.append_triangle(got);
  ASSERT_EQ(got.size(), 36u);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-6) << i;
  EXPECT_TRUE(panels.finite().item<bool>());
  at::Tensor large = torch::zeros({1, 8});
  large[0][7] = 1e19f;
  panels.add(large);
  EXPECT_TRUE(panels.finite().item<bool>());
  large[0][7] = 3e19f;
  panels.add(large);
  EXPECT_FALSE(panels.finite().item<bool>()) << "the last of the last panel";
}

// Of terms as they are, the order of additions decides about last bits; of their binary32 roundings it does not.
TEST(SquareSums, DoNotDependOnWhoAddsFirst) {
  torch::manual_seed(4);
  const at::Tensor squares = torch::rand({64, 1000}, torch::kFloat64);
  SquareSums forwards(1000), first(1000), second(1000);
  for (int64_t i = 0; i < 64; ++i) {
    forwards.add(squares[i]);
    (i % 2 == 0 ? first : second).add(squares[i]);
  }
  second.add(first);
  std::vector<float> wanted, got, none;
  forwards.append_means(64, wanted);
  second.append_means(64, got);
  EXPECT_EQ(got, wanted);
  const at::Tensor mean = squares.mean(0);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], mean[static_cast<int64_t>(i)].item<double>(), 1e-7);
  SquareSums(3).append_means(0, none);
  EXPECT_EQ(none, (std::vector<float>{0, 0, 0}));
}

}  // namespace
}  // namespace nwc
