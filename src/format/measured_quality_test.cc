#include "format/measured_quality.h"

#include <gtest/gtest.h>

#include "format/checkpoint_config.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

using testing::read_file;
using testing::TempDir;

MeasuredQuality quality() {
  return {.kl_divergence = 0.0123456789,
          .perplexity = 45.1,
          .reference_perplexity = 44,
          .top1_agreement = 0.9,
          .windows = 8,
          .context = 2048,
          .texts = {{"a.txt", 0xAB}, {"self"}},
          .command = "compress --bits 3"};
}

TEST(MeasuredQuality, StandsInOurEntryAndComesBack) {
  const TempDir from, to, plain;
  from.add("config.json", R"({"z": 1.50, "name": "m"})");
  ASSERT_TRUE(write_compressed_config(from.path(), to.path(), 0xAB, 2).ok());
  EXPECT_FALSE(*read_measured_quality(to.path()));
  ASSERT_TRUE(write_measured_quality(to.path(), quality()).ok());
  const std::string wanted =
      R"({"z": 1.50, "name": "m", "quantization_config": {"quant_method": "nwcodec", "format_version": 2, )"
      R"("codec_id": "00000000000000ab", "measured": {"kl_divergence":0.012346,"perplexity":45.1,)"
      R"("reference_perplexity":44.0,"top1_agreement":0.9,"windows":8,"context":2048,)"
      R"("texts":[{"name":"a.txt","hash":"00000000000000ab"},{"name":"self"}],"command":"compress --bits 3"}}})";
  EXPECT_EQ(read_file(to / "config.json"), wanted);
  ASSERT_TRUE(write_measured_quality(to.path(), quality()).ok());
  EXPECT_EQ(read_file(to / "config.json"), wanted) << "in the place of the one before";
  EXPECT_TRUE(check_compressed_config(to.path(), 0xAB).ok());
  const std::optional<MeasuredQuality> read = *read_measured_quality(to.path());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->kl_divergence, 0.012346);
  EXPECT_EQ(read->reference_perplexity, 44);
  EXPECT_EQ(read->windows, 8);
  EXPECT_EQ(read->texts[0].hash, 0xABu);
  EXPECT_FALSE(read->texts[1].hash);
  EXPECT_EQ(read->command, "compress --bits 3");
  ASSERT_TRUE(write_plain_config(to.path(), plain.path()).ok());
  EXPECT_EQ(read_file(plain / "config.json"), R"({"z": 1.50, "name": "m"})") << "dropped with our entry";
}

TEST(MeasuredQuality, EachPrefixOfLayersHasItsOwnFigures) {
  const TempDir dir;
  dir.add("config.json", R"({"quantization_config": {"quant_method": "nwcodec"}})");
  MeasuredQuality written = quality();
  written.refined = {{.kl_divergence = 0.02, .perplexity = 11, .top1_agreement = 0.9},
                     {.kl_divergence = 0.001, .perplexity = 10.5, .top1_agreement = 0.99}};
  ASSERT_TRUE(write_measured_quality(dir.path(), written).ok());
  const Result<std::optional<MeasuredQuality>> read = read_measured_quality(dir.path());
  ASSERT_TRUE(read.ok() && *read);
  ASSERT_EQ((*read)->refined.size(), 2u);
  EXPECT_EQ((*read)->of_layers(1)->kl_divergence, (*read)->kl_divergence);
  EXPECT_EQ((*read)->of_layers(2)->kl_divergence, 0.02);
  EXPECT_EQ((*read)->of_layers(3)->perplexity, 10.5);
  EXPECT_EQ((*read)->of_layers(3)->reference_perplexity, (*read)->reference_perplexity);
  EXPECT_EQ((*read)->of_layers(3)->top1_agreement, 0.99);
  EXPECT_FALSE((*read)->of_layers(4)) << "what was not measured has no figures";
  EXPECT_FALSE((*read)->of_layers(0));
}

TEST(MeasuredQuality, NothingWithoutOurEntry) {
  const TempDir none, others;
  EXPECT_TRUE(write_measured_quality(none.path(), quality()).ok());
  EXPECT_TRUE(none.files().empty());
  const std::string text = R"({"quantization_config": {"quant_method": "gptq"}})";
  others.add("config.json", text);
  EXPECT_TRUE(write_measured_quality(others.path(), quality()).ok());
  EXPECT_EQ(read_file(others / "config.json"), text);
  EXPECT_FALSE(*read_measured_quality(others.path()));
}

TEST(MeasuredQuality, AnotherFormIsNamed) {
  const TempDir dir;
  dir.add("config.json", R"({"quantization_config": {"quant_method": "nwcodec", "measured": {"kl_divergence": "x"}}})");
  const auto read = read_measured_quality(dir.path());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(read.error().file(), (dir / "config.json").string());
}

}  // namespace
}  // namespace nwc
