// Compressed checkpoints whose files were damaged or exchanged.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <random>
#include <string>

#include "codec/encode/encoder_codec.h"
#include "nwcodec/inspect.h"
#include "nwcodec/weights.h"
#include "support/checkpoint_runs.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::compressed;
using testing::contents_of;
using testing::decompressed;
using testing::expect_refused;
using testing::kShards;
using testing::options_for;
using testing::read_file;
using testing::refusal;
using testing::TinyCheckpoint;

TEST(Damage, NoFlippedBitPasses) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny));
  decompressed({.input = tiny.out(), .output = tiny.out("back"), .threads = 1});
  const std::map<std::string, std::string> whole = contents_of(tiny.out("back"));
  fs::remove_all(tiny.out("back"));
  std::mt19937 random(5);
  for (const char* name : {kShards[0], kShards[1], "codec.safetensors"}) {
    const fs::path path = tiny.out() / name;
    const std::string good = read_file(path);
    for (int round = 0; round < 150; ++round) {
      const size_t at = round < 40 ? static_cast<size_t>(round) : random() % good.size();
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 1 << random() % 8);
      std::ofstream(path, std::ios::binary) << bad;
      const Result<CheckpointReport> report = inspect_checkpoint(tiny.out(), true);
      ASSERT_FALSE(report.ok()) << name << " byte " << at;
      EXPECT_FALSE(report.error().file().empty()) << report.error().to_string();
      // Tiles have checksums of their own; that the shard's checksum of a whole stream is damaged does not hurt
      // decoding.
      if (decompress_checkpoint({.input = tiny.out(), .output = tiny.out("back"), .threads = 1}, {}).ok()) {
        ASSERT_EQ(contents_of(tiny.out("back")), whole) << name << " byte " << at;
        ASSERT_EQ(report.error().code(), ErrorCode::kCorrupt);
      }
      fs::remove_all(tiny.out("back"));
    }
    std::ofstream(path, std::ios::binary) << good;
  }
  EXPECT_TRUE(inspect_checkpoint(tiny.out(), true).ok());
}

TEST(Damage, AnotherCodecIsRefused) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny));
  EncoderCodec other = testing::linear_codec();
  other.decoder.tables.centers[0] = 0.25f;
  ASSERT_TRUE(
      write_tensors(tiny.out() / "codec.safetensors", decoder_tensors(other.decoder), {{kVersionKey, "1"}}).ok());
  const Error by_config = refusal(inspect_checkpoint(tiny.out(), false), ErrorCode::kMismatch);
  EXPECT_TRUE(by_config.file().ends_with("config.json")) << by_config.to_string();
  fs::remove(tiny.out() / "config.json");
  const Error by_stream = refusal(inspect_checkpoint(tiny.out(), false), ErrorCode::kMismatch);
  EXPECT_EQ(by_stream.tensor(), "model.layers.0.mlp.up_proj.weight");
  fs::remove(tiny.out() / "codec.safetensors");
  expect_refused(Weights::open(tiny.out()), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace nwc
