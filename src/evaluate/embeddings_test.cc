#include "evaluate/embeddings.h"

#include <gtest/gtest.h>

#include <cmath>

#include "libtorch/tensors.h"
#include "support/safetensors_builder.h"
#include "support/toy_encoder.h"

namespace nwc {
namespace {

using testing::raw;
using testing::SafetensorsBuilder;
using testing::toy_tensor;

constexpr int64_t kImages = 13;  // more than a batch

class Embeddings : public ::testing::Test {
 protected:
  Embeddings() {
    testing::ToyTensors tensors = testing::toy_dinov2();
    write_toy_checkpoint(reference_, tensors, testing::kToyDinov2);
    for (float& v : tensors["encoder.layer.1.mlp.fc1.weight"].values) v = std::round(4 * v) / 4;
    write_toy_checkpoint(candidate_, tensors, testing::kToyDinov2);
    images_.add("pixel_values", "F32", {kImages, 3, 8, 8}, raw<float>(toy_tensor({kImages, 3, 8, 8}, 1, 5).values));
  }
  Result<EmbeddingResult> compared(const testing::TempDir& candidate, const SafetensorsBuilder& file) const {
    const EncoderModel reference = *EncoderModel::open(reference_.path(), 1),
                       other = *EncoderModel::open(candidate.path(), 1);
    NWC_ASSIGN_OR_RETURN(const EncoderInputs inputs,
                         EncoderInputs::open(directory_.add("in.safetensors", file.bytes()), reference.spec()));
    return compare_embeddings(reference, other, inputs, {});
  }
  // [images, 5, 8]
  static at::Tensor outputs(const testing::TempDir& dir) {
    const torch::NoGradGuard no_gradients;
    const EncoderModel model = *EncoderModel::open(dir.path(), 1);
    const EncoderTower& vision = *model.tower("vision");
    const std::vector<float> pixels = toy_tensor({kImages, 3, 8, 8}, 1, 5).values;
    at::Tensor x = torch::tensor(at::ArrayRef<float>(pixels)).view({kImages, 3, 8, 8}),
               hidden = (*vision.input())->forward(x);
    for (size_t b = 0; b < vision.blocks(); ++b) hidden = (*vision.block(b))->forward(hidden, {});
    return (*vision.output())->forward(hidden, x);
  }

  testing::TempDir directory_, reference_, candidate_;
  SafetensorsBuilder images_;
};

TEST_F(Embeddings, OfAModelWithItselfAreEqual) {
  const Result<EmbeddingResult> result = compared(reference_, images_);
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->images.count, kImages);
  EXPECT_EQ(result->images.relative_error, 0);
  EXPECT_EQ(result->images.worst, 0);
  EXPECT_NEAR(result->images.mean_cosine, 1, 1e-12);
  EXPECT_FALSE(result->texts || result->label_agreement);
}

TEST_F(Embeddings, MatchTheDefinition) {
  const testing::ToyTensor labels = toy_tensor({4, 8}, 1, 9);
  const Result<EmbeddingResult> result =
      compared(candidate_, SafetensorsBuilder(images_).add("label_embeds", "F32", {4, 8}, raw<float>(labels.values)));
  ASSERT_TRUE(result) << result.error().to_string();
  const at::Tensor r = outputs(reference_).to(torch::kFloat64), e = outputs(candidate_).to(torch::kFloat64);
  EXPECT_GT(result->images.relative_error, 0.01);
  EXPECT_NEAR(result->images.relative_error, ((e - r).norm() / r.norm()).item<double>(), 1e-6);
  double worst = 0, cosine = 0;
  int64_t agreements = 0;
  for (int64_t i = 0; i < kImages; ++i) {
    worst = std::max(worst, ((e[i] - r[i]).norm() / r[i].norm()).item<double>());
    cosine += (e[i] * r[i]).sum().item<double>() / (e[i].norm() * r[i].norm()).item<double>() / kImages;
    const auto best = [&](const at::Tensor& output) {
      int label = 0;
      double most = -1e9;
      for (int l = 0; l < 4; ++l) {
        double product = 0;
        for (int f = 0; f < 8; ++f)
          product += labels.values[static_cast<size_t>(8 * l + f)] *
                     output[i][0][f].item<double>();  // position 0: the class token
        if (product > most) most = product, label = l;
      }
      return label;
    };
    agreements += best(r) == best(e);
  }
  EXPECT_NEAR(result->images.worst, worst, 1e-6);
  EXPECT_NEAR(result->images.mean_cosine, cosine, 1e-6);
  EXPECT_EQ(result->labels, 4);
  EXPECT_DOUBLE_EQ(*result->label_agreement, static_cast<double>(agreements) / kImages);
}

TEST_F(Embeddings, LabelsOfAnotherWidthAreRefused) {
  const Result<EmbeddingResult> result = compared(
      candidate_, SafetensorsBuilder(images_).add("label_embeds", "F32", {1, 7}, raw<float>({1, 2, 3, 4, 5, 6, 7})));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kMismatch);
  EXPECT_EQ(result.error().message(), "labels have 7 features, images 8");
}

TEST_F(Embeddings, StopAndProgress) {
  const EncoderModel model = *EncoderModel::open(reference_.path(), 1);
  const EncoderInputs inputs = *EncoderInputs::open(directory_.add("in.safetensors", images_.bytes()), model.spec());
  std::atomic<bool> stop = false;
  uint64_t last = 0, of = 0;
  Progress progress{[&](uint64_t done, uint64_t total, const std::string&) { last = done, of = total; }, &stop};
  ASSERT_TRUE(compare_embeddings(model, model, inputs, progress));
  EXPECT_EQ(last, of);
  EXPECT_EQ(of, static_cast<uint64_t>(4 * kImages));
  stop = true;
  EXPECT_EQ(compare_embeddings(model, model, inputs, progress).error().code(), ErrorCode::kInterrupted);
}

}  // namespace
}  // namespace nwc
