#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <map>

#include "calibrate/calibrate.h"
#include "guide/hessian_store.h"
#include "libtorch/tensors.h"
#include "model/encoders/encoder_inputs.h"
#include "model/encoders/encoder_model.h"
#include "support/safetensors_builder.h"
#include "support/toy_encoder.h"

namespace nwc {
namespace {

constexpr int64_t kImages = 11;  // more than a batch

class CalibrateEncoder : public ::testing::Test {
 protected:
  CalibrateEncoder() {
    write_toy_checkpoint(model_, testing::toy_dinov2(), testing::kToyDinov2);
    images_ = directory_.add("images.safetensors",
                             testing::SafetensorsBuilder()
                                 .add("pixel_values", "F32", {kImages, 3, 8, 8},
                                      testing::raw<float>(testing::toy_tensor({kImages, 3, 8, 8}, 1, 5).values))
                                 .bytes());
  }
  CalibrateOptions options(const std::string& output) const {
    return {.model = model_.path(), .output = directory_ / output, .threads = 1};
  }

  testing::TempDir directory_, model_;
  std::filesystem::path images_;
};

// Against the inputs of the layers, seen by a hook of this test and multiplied out in binary64.
TEST_F(CalibrateEncoder, HessiansAreTheMeanOfTheInputsOuterProducts) {
  const Result<CalibrateReport> report = calibrate_encoder(options("h"), images_, {});
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->sequences, kImages);
  EXPECT_EQ(report->tokens, 5 * kImages);
  EXPECT_EQ(report->blocks, 2u);
  EXPECT_EQ(report->hessians, 8u) << "query, key and value share one";
  EXPECT_TRUE(report->warnings.empty());

  const torch::NoGradGuard no_gradients;
  const EncoderModel model = *EncoderModel::open(model_.path(), 1);
  const EncoderInputs inputs = *EncoderInputs::open(images_, model.spec());
  const EncoderTower& vision = *model.tower("vision");
  std::map<std::string, at::Tensor> wanted;
  at::Tensor hidden = (*vision.input())->forward(inputs.batch("vision", 0, kImages));
  for (size_t b = 0; b < vision.blocks(); ++b) {
    hidden = (*vision.block(b))
                 ->forward(hidden, {nullptr, [&](const LinearSpec& linear, const at::Tensor& x, const at::Tensor&) {
                                      const at::Tensor rows = x.reshape({-1, x.size(-1)}).to(torch::kFloat64);
                                      wanted[linear.weight] = rows.t().matmul(rows) / static_cast<double>(rows.size(0));
                                    }});
  }
  EXPECT_EQ(wanted.size(), 12u);
  const HessianStore store = *HessianStore::open(directory_ / "h");
  const Checkpoint checkpoint = *Checkpoint::open(model_.path());
  for (const auto& [name, matrix] : wanted) {
    const Result<StoredHessian> stored = store.find(*checkpoint.find(name).tensor);
    ASSERT_TRUE(stored) << stored.error().to_string();
    EXPECT_EQ(stored->tokens, (std::vector<int64_t>{5 * kImages}));
    double error = 0, size = 0;
    for (uint64_t i = 0; i < stored->features; ++i) {
      for (uint64_t j = 0; j <= i; ++j) {
        const double w = matrix[static_cast<int64_t>(i)][static_cast<int64_t>(j)].item<double>(),
                     d = stored->triangles[i * (i + 1) / 2 + j] - w;
        error += d * d;
        size += w * w;
      }
    }
    EXPECT_LT(std::sqrt(error / size), 1e-5) << name;
  }
}

TEST_F(CalibrateEncoder, GoesOnAndDoesNotOverwrite) {
  std::atomic<bool> stop = false;
  Progress progress;
  progress.stop = &stop;
  progress.report = [&](uint64_t, uint64_t, const std::string& what) { stop = what == "block 1"; };
  EXPECT_EQ(calibrate_encoder(options("h"), images_, progress).error().code(), ErrorCode::kInterrupted);
  const Result<CalibrateReport> again = calibrate_encoder(options("h"), images_, {});
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(again->blocks_from_earlier_run, 1u);
  EXPECT_EQ(again->hessians, 4u);
  const auto other = directory_.add("other.safetensors", testing::SafetensorsBuilder()
                                                             .add("pixel_values", "F32", {1, 3, 8, 8},
                                                                  testing::raw<float>(std::vector<float>(192, 1)))
                                                             .bytes());
  EXPECT_EQ(calibrate_encoder(options("h"), other, {}).error().code(), ErrorCode::kExists);
  CalibrateOptions force = options("h");
  force.force = true;
  EXPECT_TRUE(calibrate_encoder(force, other, {}));
}

TEST_F(CalibrateEncoder, ALanguageModelIsRefused) {
  const testing::TempDir language;
  write_toy_checkpoint(language, testing::toy_tensors(1));
  CalibrateOptions o = options("h");
  o.model = language.path();
  EXPECT_EQ(calibrate_encoder(o, images_, {}).error().code(), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace nwc
