// Runs that were stopped: by the user, by a full disk; and what the same command makes of them.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "codec/encode/encoder_codec.h"
#include "nwcodec/weights.h"
#include "support/checkpoint_runs.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::compressed;
using testing::contents_of;
using testing::decompressed;
using testing::expect_refused;
using testing::interrupted_after;
using testing::kMarker;
using testing::kParts;
using testing::kShards;
using testing::open_file;
using testing::options_for;
using testing::read_file;
using testing::refusal;
using testing::TinyCheckpoint;

TEST(Resume, CompressionGoesOnToTheSameBytes) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny, "whole"));
  const std::map<std::string, std::string> whole = contents_of(tiny.out("whole"));
  int interrupted = 0, kept = 0;
  for (int k = 1; k <= 20; ++k) {
    const CompressOptions options = options_for(tiny, "k" + std::to_string(k));
    const std::optional<Error> error =
        interrupted_after(k, [&](const Progress& p) { return compress_checkpoint(options, p); });
    if (error) {
      ++interrupted;
      EXPECT_EQ(error->code(), ErrorCode::kInterrupted);
      if (fs::exists(options.output)) {
        EXPECT_TRUE(fs::exists(options.output / kMarker));
        EXPECT_TRUE(fs::exists(options.output / kParts[0]) || fs::exists(options.output / kShards[0]))
            << "nothing is kept before the first block";
        for (const auto& [name, bytes] : contents_of(options.output)) EXPECT_FALSE(name.ends_with(".partial")) << name;
        ++kept;
      }
      const Result<CompressReport> resumed = compress_checkpoint(options, {});
      ASSERT_TRUE(resumed.ok()) << resumed.error().to_string();
      EXPECT_LE(resumed->blocks_from_earlier_run, 2u);
    }
    EXPECT_EQ(contents_of(options.output), whole) << "stopped after report " << k;
  }
  EXPECT_GE(interrupted, 8);
  EXPECT_GE(kept, 1);
}

TEST(Resume, DecompressionGoesOnToTheSameBytes) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny, "packed"));
  decompressed({.input = tiny.out("packed"), .output = tiny.out("whole"), .threads = 1});
  const std::map<std::string, std::string> whole = contents_of(tiny.out("whole"));
  int kept = 0;
  for (int k = 1; k <= 8; ++k) {
    const DecompressOptions options{
        .input = tiny.out("packed"), .output = tiny.out("k" + std::to_string(k)), .threads = 1};
    const std::optional<Error> error =
        interrupted_after(k, [&](const Progress& p) { return decompress_checkpoint(options, p); });
    if (error) {
      EXPECT_EQ(error->code(), ErrorCode::kInterrupted);
      kept += fs::exists(options.output);
      decompressed(options);
    }
    EXPECT_EQ(contents_of(options.output), whole) << "stopped after report " << k;
  }
  EXPECT_GE(kept, 1);
}

// A run that was stopped in its second block.
class Unfinished : public ::testing::Test {
 protected:
  Unfinished() {
    compressed(options_for(tiny, "whole"));
    std::atomic<bool> stop = false;
    const Progress progress{
        .report = [&](uint64_t, uint64_t,
                      const std::string& what) { stop = what.find("layers.1") != std::string::npos; },
        .stop = &stop};
    const Result<CompressReport> report = compress_checkpoint(options_for(tiny), progress);
    EXPECT_TRUE(!report.ok() && report.error().code() == ErrorCode::kInterrupted);
    EXPECT_TRUE(fs::exists(tiny.out() / kParts[0]));
    EXPECT_FALSE(fs::exists(tiny.out() / kParts[1]));
    EXPECT_FALSE(fs::exists(tiny.out() / kShards[0]));
  }
  TinyCheckpoint tiny;
};

TEST_F(Unfinished, KeepsItsCompleteBlocks) {
  const CompressReport report = compressed(options_for(tiny));
  EXPECT_EQ(report.blocks_from_earlier_run, 1u);
  EXPECT_EQ(report.tensors.size(), 3u) << "those of the first run too";
  EXPECT_EQ(contents_of(tiny.out()), contents_of(tiny.out("whole")));
  EXPECT_FALSE(fs::exists(tiny.out() / kMarker));
}

TEST_F(Unfinished, ADamagedBlockIsCompressedAgain) {
  const std::string good = read_file(tiny.out() / kParts[0]);
  std::vector<std::string> damaged{good.substr(0, good.size() / 2), ""};
  for (const size_t at : {size_t{3}, size_t{40}, good.size() / 2, good.size() - 1}) {
    damaged.push_back(good);
    damaged.back()[at] = static_cast<char>(good[at] ^ 4);
  }
  for (size_t i = 0; i < damaged.size(); ++i) {
    const fs::path copy = tiny.out("copy" + std::to_string(i));
    fs::copy(tiny.out(), copy, fs::copy_options::recursive);
    std::ofstream(copy / kParts[0], std::ios::binary) << damaged[i];
    EXPECT_EQ(compressed(options_for(tiny, copy.filename())).blocks_from_earlier_run, 0u) << i;
    EXPECT_EQ(contents_of(copy), contents_of(tiny.out("whole"))) << i;
  }
}

// The parts of a run are of no use to another, even where somebody carried them over.
TEST_F(Unfinished, PartsOfAnotherRunAreNotTaken) {
  CompressOptions others = options_for(tiny, "others");
  others.encode.own_tables = false;
  std::atomic<bool> stop = false;
  const Progress progress{
      .report = [&](uint64_t, uint64_t, const std::string& what) { stop = what.find("layers.1") != std::string::npos; },
      .stop = &stop};
  EXPECT_FALSE(compress_checkpoint(others, progress).ok());
  fs::copy_file(tiny.out("others") / kParts[0], tiny.out() / kParts[0], fs::copy_options::overwrite_existing);
  EXPECT_EQ(compressed(options_for(tiny)).blocks_from_earlier_run, 0u);
  EXPECT_EQ(contents_of(tiny.out()), contents_of(tiny.out("whole")));
}

// Killed between the removal of the parts and that of the marker: the shards themselves say what is done.
TEST_F(Unfinished, AShardIsAsGoodAsItsParts) {
  const std::string marker = read_file(tiny.out() / kMarker);
  const auto unfinished_again = [&] { std::ofstream(tiny.out() / kMarker, std::ios::binary) << marker; };
  compressed(options_for(tiny));
  unfinished_again();
  const auto time = fs::last_write_time(tiny.out() / kShards[0]);
  EXPECT_EQ(compressed(options_for(tiny)).blocks_from_earlier_run, 2u);
  EXPECT_EQ(fs::last_write_time(tiny.out() / kShards[0]), time);
  EXPECT_EQ(contents_of(tiny.out()), contents_of(tiny.out("whole")));
  std::string bad = read_file(tiny.out() / kShards[0]);
  bad[bad.size() / 2] ^= 4;
  std::ofstream(tiny.out() / kShards[0], std::ios::binary) << bad;
  unfinished_again();
  EXPECT_EQ(compressed(options_for(tiny)).blocks_from_earlier_run, 1u) << "the second shard is whole";
  EXPECT_EQ(contents_of(tiny.out()), contents_of(tiny.out("whole")));
}

TEST_F(Unfinished, OtherOptionsOrInputsAreRefused) {
  const std::map<std::string, std::string> before = contents_of(tiny.out());
  std::vector<CompressOptions> others(5, options_for(tiny));
  others[0].encode.tile_chunks = 128;
  others[1].encode.own_tables = false;
  others[2].selection.exclude = {"x"};
  others[3].keep_nonfinite = true;
  others[4].encode.normalisation.gain = 2;
  const char* const differences[] = {
      "was started with tile chunks 64, this run has 128", "was started with own tables yes, this run has no",
      "was started without exclude 1, this run has x", "was started with keep-nonfinite no, this run has yes",
      "was started with gain 1, this run has 2"};
  for (size_t i = 0; i < others.size(); ++i) {
    const Error error = refusal(compress_checkpoint(others[i], {}), ErrorCode::kExists);
    EXPECT_EQ(error.message(), std::string("holds an unfinished run that ") + differences[i]);
  }
  ASSERT_TRUE(write_encoder_codec(tiny.codec(),
                                  [] {
                                    EncoderCodec codec = testing::linear_codec();
                                    codec.nmse[0] *= 2;
                                    return codec;
                                  }())
                  .ok());
  expect_refused(compress_checkpoint(options_for(tiny), {}), ErrorCode::kExists);
  EXPECT_EQ(contents_of(tiny.out()), before);
}

// model_type decides which tensors are stored transposed.
TEST_F(Unfinished, AnotherModelTypeIsRefused) {
  const std::map<std::string, std::string> before = contents_of(tiny.out());
  tiny.dir().add("config.json", "{\"model_type\": \"gpt2\", \"hidden_size\": 16}");
  EXPECT_EQ(refusal(compress_checkpoint(options_for(tiny), {}), ErrorCode::kExists).message(),
            "holds an unfinished run that was started with model_type llama, this run has gpt2");
  EXPECT_EQ(contents_of(tiny.out()), before);
}

// The header, the size and the time of the file stay the same.
TEST_F(Unfinished, OtherWeightsAreRefused) {
  for (const char* shard : kShards) {
    const fs::path path = tiny.model() / shard;
    const std::string good = read_file(path);
    const auto time = fs::last_write_time(path);
    std::string changed = good;
    changed[changed.size() - 7] ^= 1;
    std::ofstream(path, std::ios::binary) << changed;
    fs::last_write_time(path, time);
    const Error error = refusal(compress_checkpoint(options_for(tiny), {}), ErrorCode::kExists);
    EXPECT_NE(error.message().find(std::string("was started with weights ") + shard), std::string::npos)
        << error.message();
    std::ofstream(path, std::ios::binary) << good;
  }
  EXPECT_EQ(compressed(options_for(tiny)).blocks_from_earlier_run, 1u);
}

TEST_F(Unfinished, APartThatIsNotUsableSaysWhy) {
  std::string bad = read_file(tiny.out() / kParts[0]);
  bad[bad.size() / 2] ^= 4;
  std::ofstream(tiny.out() / kParts[0], std::ios::binary) << bad;
  const CompressReport report = compressed(options_for(tiny));
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_NE(report.warnings[0].find("part-00000.safetensors"), std::string::npos) << report.warnings[0];
  EXPECT_NE(report.warnings[0].find("its checksum is"), std::string::npos) << report.warnings[0];
}

TEST(Compress, TwoProcessesDoNotShareAnOutput) {
  const TinyCheckpoint tiny;
  const CompressOptions options = options_for(tiny);
  std::optional<Error> second;
  const Progress progress{.report = [&](uint64_t, uint64_t, const std::string&) {
    if (second) return;
    second = refusal(compress_checkpoint(options, {}), ErrorCode::kBusy);
  }};
  ASSERT_TRUE(compress_checkpoint(options, progress).ok()) << "the second one changed nothing";
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->message().starts_with("is being written by ")) << second->message();
  compressed(options_for(tiny, "alone"));
  EXPECT_EQ(contents_of(tiny.out()), contents_of(tiny.out("alone")));
}

TEST(Decompress, OtherContentsOfTheSameHeadersAreRefused) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny, "packed"));
  const DecompressOptions options{.input = tiny.out("packed"), .output = tiny.out("plain"), .threads = 1};
  std::atomic<bool> stop = false;
  const Progress progress{
      .report = [&](uint64_t, uint64_t, const std::string& what) { stop = what.find("layers.1") != std::string::npos; },
      .stop = &stop};
  expect_refused(decompress_checkpoint(options, progress), ErrorCode::kInterrupted);
  ASSERT_TRUE(fs::exists(options.output / kShards[0]));
  // Another head, which is stored as it is: the packed shard keeps its header and its size.
  const fs::path path = tiny.model() / kShards[1];
  std::string bytes = read_file(path);
  const uint64_t offset = open_file(path).find("lm_head.weight")->file_offset;
  bytes[offset] = static_cast<char>(bytes[offset] ^ 1);
  fs::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
  const std::string before(testing::text_of(open_file(tiny.out("packed") / kShards[1]).header_bytes()));
  fs::remove_all(tiny.out("packed"));
  compressed(options_for(tiny, "packed"));
  EXPECT_EQ(before, testing::text_of(open_file(tiny.out("packed") / kShards[1]).header_bytes()));
  const Error error = refusal(decompress_checkpoint(options, {}), ErrorCode::kExists);
  EXPECT_NE(error.message().find("was started with weights model-00002"), std::string::npos) << error.message();
}

TEST_F(Unfinished, ForceStartsAnew) {
  CompressOptions options = options_for(tiny);
  options.force = true;
  EXPECT_EQ(compressed(options).blocks_from_earlier_run, 0u);
  EXPECT_EQ(contents_of(tiny.out()), contents_of(tiny.out("whole")));
}

TEST_F(Unfinished, IsNoCheckpointYet) { EXPECT_FALSE(Weights::open(tiny.out()).ok()); }

// A disk that is full: files cannot grow past a limit.
TEST(Compress, AFullDiskLeavesNothingBehind) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny, "packed"));
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  for (const rlim_t limit : {rlim_t{0}, rlim_t{500}, rlim_t{3000}}) {
    rlimit small = old;
    small.rlim_cur = limit;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const Result<CompressReport> packed = compress_checkpoint(options_for(tiny), {});
    const Result<DecompressReport> plain =
        decompress_checkpoint({.input = tiny.out("packed"), .output = tiny.out("plain"), .threads = 1}, {});
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
    expect_refused(packed, ErrorCode::kIo);
    expect_refused(plain, ErrorCode::kIo);
    EXPECT_FALSE(fs::exists(tiny.out())) << limit;
    EXPECT_FALSE(fs::exists(tiny.out("plain"))) << limit;
  }
  std::signal(SIGXFSZ, old_handler);
  compressed(options_for(tiny));
  EXPECT_EQ(contents_of(tiny.out()), contents_of(tiny.out("packed")));
}

}  // namespace
}  // namespace nwc
