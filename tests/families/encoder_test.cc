// Encoders of images, calibrated on images and compressed with those Hessians.
#include <gtest/gtest.h>

#include <cstdio>

#include "calibrate/calibrate.h"
#include "compress/compress.h"
#include "evaluate/embeddings.h"
#include "support/fixtures.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

std::string bytes_of(const at::Tensor& t) { return {static_cast<const char*>(t.data_ptr()), t.nbytes()}; }

class EncoderFixture : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!fs::exists(directory())) GTEST_SKIP() << "no fixtures in " << testing::fixtures();
  }
  fs::path directory() const { return testing::fixtures() / GetParam(); }
  // Noise images and, if wanted, random texts.
  fs::path write_inputs(const std::string& name, int64_t images, bool texts) const {
    torch::manual_seed(3);
    testing::SafetensorsBuilder file;
    file.add("pixel_values", "F32", {static_cast<uint64_t>(images), 3, 32, 32},
             bytes_of(torch::randn({images, 3, 32, 32})));
    const at::Tensor ids = torch::randint(2, 320, {48, 16}, torch::kInt64);
    if (texts) file.add("input_ids", "I64", {48, 16}, bytes_of(ids));
    return temporary_.add(name, file.bytes());
  }
  Result<CompressReport> compress(const fs::path& output, const fs::path& hessians) const {
    return compress_checkpoint({.model = directory(),
                                .output = output,
                                .codecs = {NWC_SOURCE_CODECS "/fast-300.safetensors"},
                                .encode = {.normalisation = {.kind = Normalisation::kBoth}},
                                .hessians = hessians,
                                .guide = {.levels = false},
                                .threads = 1},
                               {});
  }
  EmbeddingResult compared(const fs::path& candidate, const fs::path& inputs) const {
    const EncoderModel reference = testing::value_of(EncoderModel::open(directory(), 1)),
                       other = testing::value_of(EncoderModel::open(candidate, 1));
    return testing::value_of(
        compare_embeddings(reference, other, testing::value_of(EncoderInputs::open(inputs, reference.spec())), {}));
  }
  testing::TempDir temporary_;
};

TEST_P(EncoderFixture, CalibrationPaysAtTheSameCodec) {
  const bool two_towers = std::string(GetParam()) != "dinov2";
  const fs::path inputs = write_inputs("in.safetensors", 48, two_towers);
  const Result<CalibrateReport> calibrated =
      calibrate_encoder({.model = directory(), .output = temporary_ / "hessians", .threads = 1}, inputs, {});
  ASSERT_TRUE(calibrated) << calibrated.error().to_string();
  EXPECT_EQ(calibrated->blocks, two_towers ? 4u : 2u);
  EXPECT_TRUE(calibrated->warnings.empty());
  const Result<CompressReport> plain = compress(temporary_ / "plain", {}),
                               guided = compress(temporary_ / "guided", temporary_ / "hessians");
  ASSERT_TRUE(plain) << plain.error().to_string();
  ASSERT_TRUE(guided) << guided.error().to_string();
  const EmbeddingResult before = compared(temporary_ / "plain", inputs),
                        after = compared(temporary_ / "guided", inputs);
  std::printf("%s: relative error of image embeddings %.4f data-free, %.4f calibrated\n", GetParam(),
              before.images.relative_error, after.images.relative_error);
  EXPECT_GT(after.images.relative_error, 0);
  EXPECT_LT(after.images.relative_error, 0.95 * before.images.relative_error);
  EXPECT_EQ(after.texts.has_value(), two_towers);
  EXPECT_EQ(after.label_agreement.has_value(), two_towers);
  if (!two_towers) return;
  EXPECT_LT(after.texts->relative_error, 0.95 * before.texts->relative_error);
  EXPECT_EQ(after.labels, 48);
  EXPECT_GT(*after.label_agreement, 0.2);
  EXPECT_EQ(*compared(directory(), inputs).label_agreement, 1);
}

class TwoTowerFixture : public EncoderFixture {};

TEST_P(TwoTowerFixture, WithoutTextsTheTextTowerIsLeftOut) {
  const Result<CalibrateReport> calibrated =
      calibrate_encoder({.model = directory(), .output = temporary_ / "hessians", .threads = 1},
                        write_inputs("in.safetensors", 9, false), {});
  ASSERT_TRUE(calibrated) << calibrated.error().to_string();
  EXPECT_EQ(calibrated->blocks, 2u);
  ASSERT_EQ(calibrated->warnings.size(), 1u);
  EXPECT_EQ(calibrated->warnings[0],
            "in.safetensors has no input for the text tower, which is not calibrated; compress with --exclude on its "
            "tensors");
}

INSTANTIATE_TEST_SUITE_P(Families, EncoderFixture, ::testing::Values("clip", "dinov2", "siglip"),
                         [](const auto& info) { return std::string(info.param); });

INSTANTIATE_TEST_SUITE_P(Families, TwoTowerFixture, ::testing::Values("clip", "siglip"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace nwc
