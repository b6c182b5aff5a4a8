// GPT-OSS as it is published, with experts in MXFP4: what is left to compress is compressed, the experts stay, and
// everything reads the result.
#include <gtest/gtest.h>

#include <cstdio>

#include "calibrate/calibrate.h"
#include "compress/compress.h"
#include "nwcodec/decompress.h"
#include "nwcodec/weights.h"
#include "support/fixtures.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::SafetensorsBuilder;

// The fixture with other experts: codes and scales drawn by a generator.
SafetensorsBuilder in_mxfp4(const fs::path& fixture) {
  const Checkpoint checkpoint = testing::value_of(Checkpoint::open(fixture));
  SafetensorsBuilder file;
  uint32_t state = 1;
  const auto draw = [&](uint64_t n, uint32_t from, uint32_t span) {
    std::vector<uint8_t> bytes(n);
    for (uint8_t& b : bytes) {
      state = state * 1664525u + 1013904223u;
      b = static_cast<uint8_t>(from + (state >> 16) % span);
    }
    return testing::raw<uint8_t>(bytes);
  };
  for (const TensorView& t : checkpoint.shards()[0].tensors()) {
    if (t.shape.size() != 3) {
      file.add(t.name, std::string(name_of(t.dtype)), t.shape, testing::text_of(t.bytes));
      continue;
    }
    const uint64_t experts = t.shape[0], rows = t.shape[2], blocks = t.shape[1] / 32;
    file.add(t.name + "_blocks", "U8", {experts, rows, blocks, 16}, draw(experts * rows * blocks * 16, 0, 256));
    file.add(t.name + "_scales", "U8", {experts, rows, blocks}, draw(experts * rows * blocks, 121, 3));
  }
  return file;
}

TEST(Mxfp4, ExpertsStayAndTheRestIsCompressed) {
  const fs::path fixture = testing::fixtures() / "gpt_oss";
  if (!fs::exists(fixture)) GTEST_SKIP() << "no fixtures in " << testing::fixtures();
  const testing::TempDir model, work;
  model.add("model.safetensors", in_mxfp4(fixture).bytes());
  std::string config = testing::read_file(fixture / "config.json");
  config.insert(1, "\"quantization_config\": {\"quant_method\": \"mxfp4\"},");
  model.add("config.json", config);

  CalibrationText text{"text", {}};
  for (int i = 0; i < 512; ++i) text.ids.push_back((i * i + 3 * i) % 320);
  ASSERT_TRUE(
      calibrate({.model = model.path(), .output = work / "hessians", .sequences = 8, .length = 64, .threads = 1},
                {&text, 1}, {}));
  const Result<CompressReport> report =
      compress_checkpoint({.model = model.path(),
                           .output = work / "packed",
                           .codecs = {NWC_SOURCE_CODECS "/fast-10000.safetensors"},
                           .encode = {.normalisation = {.kind = Normalisation::kBoth}},
                           .hessians = work / "hessians",
                           .threads = 1},
                          {});
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->tensors.size(), 8u) << "query, key, value and output of two blocks";
  ASSERT_EQ(report->warnings.size(), 1u);
  EXPECT_TRUE(report->warnings[0].starts_with("4 tensors in MXFP4 stay as they are, with 4.25 bits per weight"))
      << report->warnings[0];

  const testing::Expected inputs(fixture);
  const at::Tensor before = testing::outputs_of(model.path(), inputs).at("logits"),
                   after = testing::outputs_of(work / "packed", inputs).at("logits");
  const double error = testing::relative_error(after, before);
  std::printf("relative L2 error of the logits %.4f\n", error);
  EXPECT_GT(error, 0);
  EXPECT_LT(error, 0.15);
  ASSERT_TRUE(decompress_checkpoint({.input = work / "packed", .output = work / "plain"}, {}));
  EXPECT_LT(testing::relative_error(testing::outputs_of(work / "plain", inputs).at("logits"), after), 1e-6);
}

}  // namespace
}  // namespace nwc
