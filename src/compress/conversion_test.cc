// Whole checkpoints with other tiles.
#include "compress/conversion.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/file.h"
#include "support/checkpoint_runs.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::compressed;
using testing::contents_of;
using testing::decompressed;
using testing::expect_refused;
using testing::interrupted_after;
using testing::options_for;
using testing::TinyCheckpoint;

ConvertReport converted(const ConvertOptions& options) {
  Result<ConvertReport> report = convert_checkpoint(options, {});
  if (!report) throw std::runtime_error(report.error().to_string());
  return *std::move(report);
}

ConvertOptions to_small_tiles(const TinyCheckpoint& tiny, const std::string& out) {
  return {.input = tiny.out(), .output = tiny.out(out), .layout = {.tile_chunks = 32, .run_groups = 1}, .threads = 2};
}

TEST(Convert, WeightsStayAndTheWayBackGivesTheSameBytes) {
  const TinyCheckpoint tiny;
  CompressOptions options = options_for(tiny);
  options.encode.own_tables = false;
  compressed(options);
  const ConvertReport report = converted(to_small_tiles(tiny, "small"));
  EXPECT_EQ(report.tensors, testing::kCompressed.size());
  EXPECT_GT(report.output_bytes, report.input_bytes);
  decompressed({.input = tiny.out(), .output = tiny.out("a")});
  decompressed({.input = tiny.out("small"), .output = tiny.out("b")});
  EXPECT_EQ(contents_of(tiny.out("a")), contents_of(tiny.out("b")));
  converted({.input = tiny.out("small"),
             .output = tiny.out("back"),
             .layout = {options.encode.tile_chunks, options.encode.run_groups}});
  EXPECT_EQ(contents_of(tiny.out("back")), contents_of(tiny.out()));

  options.output = tiny.out("wanted");
  options.encode.tile_chunks = 32;
  options.encode.run_groups = 1;
  compressed(options);
  EXPECT_EQ(contents_of(tiny.out("small")), contents_of(tiny.out("wanted")));
}

TEST(Convert, GoesOnWhereItWasInterrupted) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny));
  converted(to_small_tiles(tiny, "wanted"));
  int stops = 0;
  for (int k = 1; k < 9; ++k) {
    const ConvertOptions options = to_small_tiles(tiny, "at" + std::to_string(k));
    const auto stopped =
        interrupted_after(k, [&](const Progress& progress) { return convert_checkpoint(options, progress); });
    if (stopped) {
      ++stops;
      EXPECT_EQ(stopped->code(), ErrorCode::kInterrupted);
      converted(options);
    }
    EXPECT_EQ(contents_of(options.output), contents_of(tiny.out("wanted"))) << k;
  }
  EXPECT_GT(stops, 3);
}

TEST(Convert, RefusesWhatItCannotConvert) {
  const TinyCheckpoint tiny;
  expect_refused(convert_checkpoint({.input = tiny.model(), .output = tiny.out("x")}, {}), ErrorCode::kInvalidArgument);
  compressed(options_for(tiny));
  expect_refused(convert_checkpoint({.input = tiny.out(), .output = tiny.out()}, {}), ErrorCode::kInvalidArgument);
  expect_refused(convert_checkpoint({.input = tiny.out(), .output = tiny.out("x"), .layout = {.tile_chunks = 31}}, {}),
                 ErrorCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(tiny.out("x")));
}

// Every byte that is copied or decoded is checked first.
TEST(Convert, RefusesDamage) {
  const TinyCheckpoint tiny;
  compressed(options_for(tiny));
  const fs::path shard = tiny.out() / testing::kShards[1];
  const std::string whole = testing::contents_of(tiny.out()).at(testing::kShards[1]);
  for (size_t at = 8; at < whole.size(); at += whole.size() / 40) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    ASSERT_TRUE(write_file(shard, damaged).ok());
    EXPECT_FALSE(convert_checkpoint(to_small_tiles(tiny, "x"), {}).ok()) << at;
    std::error_code ignored;
    fs::remove_all(tiny.out("x"), ignored);
  }
}

}  // namespace
}  // namespace nwc
