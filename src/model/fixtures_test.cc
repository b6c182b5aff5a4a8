// Outputs of every family against those of transformers, on the fixture checkpoints. They are not part of the source
// tree: NWCODEC_FIXTURES names their directory, or they stand in ../shared/fixtures. Without them nothing is tested
// here; causal_lm_test.cc has one that is committed.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "model/causal_lm.h"
#include "model/encoder_model.h"
#include "nwcodec/checkpoint.h"

namespace nwc {
namespace {

constexpr double kTolerance = 1e-4;

std::filesystem::path fixtures() {
  const char* named = std::getenv("NWCODEC_FIXTURES");
  return named != nullptr ? named : NWC_SOURCE_DIR "/../shared/fixtures";
}

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  return *std::move(result);
}

// The inputs and outputs that transformers left beside a checkpoint.
class Expected {
 public:
  explicit Expected(const std::filesystem::path& directory)
      : file_(value_of(SafetensorsFile::open(directory / "expected.safetensors"))) {}
  at::Tensor operator[](const std::string& name) const {
    const TensorView* view = file_.find(name);
    if (view == nullptr) throw std::runtime_error("no tensor " + name);
    const std::vector<int64_t> shape(view->shape.begin(), view->shape.end());
    at::Tensor t = torch::empty(shape, view->dtype == DType::kI64 ? torch::kInt64 : torch::kFloat32);
    if (t.nbytes() != view->bytes.size()) throw std::runtime_error("another dtype in " + name);
    std::memcpy(t.data_ptr(), view->bytes.data(), view->bytes.size());
    return t;
  }

 private:
  SafetensorsFile file_;
};

void expect_close(const std::string& what, const at::Tensor& actual, const at::Tensor& wanted) {
  ASSERT_EQ(actual.sizes(), wanted.sizes()) << what;
  const double error = ((actual - wanted).norm() / wanted.norm()).item<double>();
  std::printf("%s: relative L2 error %.2e\n", what.c_str(), error);
  EXPECT_LT(error, kTolerance) << what;
}

class Fixture : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(directory())) GTEST_SKIP() << "no fixtures in " << fixtures();
  }
  std::filesystem::path directory() const { return fixtures() / GetParam(); }
  const torch::NoGradGuard no_gradients_;
};

// What calibration relies on: a block announces the layers that linears_of() lists, in its order, and layers with the
// same input number see the same tensor. Experts without tokens are silent.
class AnnouncementCheck {
 public:
  explicit AnnouncementCheck(const BlockSpec& block) : listed_(linears_of(block)), inputs_(listed_.back().input + 1) {}
  ~AnnouncementCheck() {
    for (; next_ < listed_.size(); ++next_) EXPECT_TRUE(listed_[next_].expert) << listed_[next_].linear.weight;
  }
  void operator()(const LinearSpec& linear, const at::Tensor& input) {
    while (next_ < listed_.size() && listed_[next_].expert && !is_next(linear)) ++next_;
    ASSERT_LT(next_, listed_.size()) << linear.weight;
    EXPECT_TRUE(is_next(linear)) << linear.weight << " instead of " << listed_[next_].linear.weight;
    EXPECT_EQ(input.size(-1), linear.in_features);
    at::Tensor& shared = inputs_[listed_[next_++].input];
    EXPECT_TRUE(!shared.defined() || shared.data_ptr() == input.data_ptr()) << linear.weight;
    shared = input;
  }

 private:
  bool is_next(const LinearSpec& linear) const {
    return listed_[next_].linear.weight == linear.weight && listed_[next_].linear.slice == linear.slice;
  }
  std::vector<BlockLinear> listed_;
  std::vector<at::Tensor> inputs_;
  size_t next_ = 0;
};

// Through all blocks of a language model or a tower.
template <class Model>
at::Tensor through_blocks(const Model& model, at::Tensor hidden) {
  for (size_t i = 0; i < model.blocks(); ++i) {
    AnnouncementCheck check(model.spec().blocks[i]);
    hidden = value_of(model.block(i))->forward(hidden, {nullptr, std::ref(check)});
  }
  return hidden;
}

class CausalLmFixture : public Fixture {};

TEST_P(CausalLmFixture, Logits) {
  const Expected expected(directory());
  const CausalLm model = value_of(CausalLm::open(directory(), {}));
  const at::Tensor hidden = through_blocks(model, value_of(model.embedding())->forward(expected["input_ids"]));
  expect_close(GetParam(), value_of(model.head())->forward(hidden), expected["logits"]);
}

INSTANTIATE_TEST_SUITE_P(Families, CausalLmFixture,
                         ::testing::Values("gemma3", "gpt_oss", "llama2", "llama3", "mistral", "mixtral", "qwen2",
                                           "qwen3", "qwen3_moe"),
                         [](const auto& info) { return std::string(info.param); });

at::Tensor encoded(const Encoder& tower, const at::Tensor& input) {
  return value_of(tower.output())->forward(through_blocks(tower, value_of(tower.input())->forward(input)), input);
}

class TwoTowerFixture : public Fixture {};

TEST_P(TwoTowerFixture, EmbeddingsAndLogits) {
  const Expected expected(directory());
  const EncoderModel model = value_of(EncoderModel::open(directory(), 1));
  const at::Tensor images = encoded(*model.tower("vision"), expected["pixel_values"]);
  const at::Tensor texts = encoded(*model.tower("text"), expected["input_ids"]);
  const std::string name = GetParam();
  expect_close(name + " image_embeds", images, expected["image_embeds"]);
  expect_close(name + " text_embeds", texts, expected["text_embeds"]);
  expect_close(name + " logits_per_image", value_of(model.similarity()).forward(images, texts),
               expected["logits_per_image"]);
}

INSTANTIATE_TEST_SUITE_P(Families, TwoTowerFixture, ::testing::Values("clip", "siglip"),
                         [](const auto& info) { return std::string(info.param); });

class VisionFixture : public Fixture {};

TEST_P(VisionFixture, LastHiddenState) {
  const Expected expected(directory());
  const EncoderModel model = value_of(EncoderModel::open(directory(), 1));
  expect_close(GetParam(), encoded(model.towers().at(0), expected["pixel_values"]), expected["last_hidden_state"]);
}

INSTANTIATE_TEST_SUITE_P(Families, VisionFixture, ::testing::Values("dinov2"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace nwc
