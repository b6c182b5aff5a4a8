// Damaged streams: the verdicts of the CPU's decoder.
#include <gtest/gtest.h>

#include <random>

#include "base/bytes.h"
#include "base/hash.h"
#include "cuda/decode/cuda_test.h"

namespace nwc {
namespace {

using testing::DeviceRun;
using testing::encode;
using testing::Encoded;
using testing::on_cpu;
using testing::Pair;
using testing::relative_error;
using testing::shipped;
using Bytes = std::vector<std::byte>;

// Streams changed at random behind sound checksums: the GPU accepts what the CPU accepts, and decodes it alike.
void compare_verdicts(const Pair& pair, uint16_t run_groups, int rounds, std::mt19937& random) {
  const CudaDecoder device = pair.device();
  const Encoded tensor =
      encode(pair, {50, 40}, false, true, {.tile_chunks = 32, .run_groups = run_groups}, 0.01, random);
  const Result<ParsedStream> parsed = parse_stream(tensor.stream);
  ASSERT_TRUE(parsed.ok());
  int accepted = 0, refused_on_device = 0;
  for (int round = 0; round < rounds; ++round) {
    Encoded bad = tensor;
    StreamHeader header = parsed->header;
    Bytes own(parsed->section.begin(), parsed->section.end());
    std::vector<Bytes> tiles;
    for (const ParsedStream::Tile& tile : parsed->tiles) {
      tiles.emplace_back(tensor.stream.begin() + static_cast<ptrdiff_t>(tile.offset),
                         tensor.stream.begin() + static_cast<ptrdiff_t>(tile.offset + tile.size));
    }
    const auto spoil = [&](Bytes& part) {
      if (part.empty()) return;
      if (random() % 4 == 0) part.resize(random() % part.size());
      if (!part.empty()) part[random() % part.size()] ^= static_cast<std::byte>(1u << random() % 8);
    };
    switch (random() % 8) {
      case 0: spoil(own); break;
      case 1: spoil(bad.scales); break;
      case 2: spoil(bad.levels); break;
      case 3: header.rows = 1 + random() % 64; break;
      case 4: break;
      default: spoil(tiles[random() % tiles.size()]); break;
    }
    header.scales_hash = xxh3(bad.scales);
    header.levels_hash = header.has_levels ? xxh3(bad.levels) : 0;
    std::vector<TileIndexEntry> index;
    for (size_t t = 0; t < tiles.size(); ++t)
      index.push_back({static_cast<uint32_t>(tiles[t].size()), tile_checksum(tiles[t], header.tensor_id, t)});
    bad.stream = serialise_stream_head(header, own, index);
    for (const Bytes& tile : tiles) bad.stream.insert(bad.stream.end(), tile.begin(), tile.end());
    bad.header = header;

    const Result<std::vector<float>> reference = on_cpu(pair, bad);
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      const Result<DeviceRun> run =
          DeviceRun::of(device, {&bad}, {.dtype = dtype, .misalignment = static_cast<unsigned>(random() % 4)});
      Status verdict;
      if (!run) {
        verdict = run.error();
      } else {
        ASSERT_TRUE(run->enqueue().ok());
        verdict = run->verdict();
        if (!verdict) ++refused_on_device;
      }
      ASSERT_EQ(verdict.ok(), reference.ok())
          << "round " << round << ": " << (verdict.ok() ? reference.error().to_string() : verdict.error().to_string());
      if (!verdict) continue;
      ++accepted;
      const std::vector<float> values = testing::floats_of(dtype, run->weights(0));
      if (dtype == DType::kF32) {
        ASSERT_EQ(values, *reference) << "round " << round;
      } else {  // nonsense may cancel, so that binary16 shows; it must not be something else altogether
        ASSERT_LT(relative_error(values, *reference), 0x1p-6) << "round " << round;
      }
    }
  }
  EXPECT_GT(accepted, rounds / 20);
  EXPECT_GT(refused_on_device, rounds / 20);
}

TEST(Cuda, NonsenseBehindSoundChecksums) {
  SKIP_WITHOUT_DEVICE();
  std::mt19937 random(7);
  compare_verdicts(shipped("fast-300"), 1, 300, random);
  if (HasFatalFailure()) return;
  compare_verdicts(Pair(testing::residual_codec()), 2, 300, random);
  if (HasFatalFailure()) return;
  compare_verdicts(shipped("paper-300"), 1, 60, random);
}

// What checksums catch is refused while planning; with them left out, the decoder itself refuses nearly every flip and
// survives the rest.
TEST(Cuda, FlippedBits) {
  SKIP_WITHOUT_DEVICE();
  std::mt19937 random(8);
  const Pair pair = shipped("fast-300");
  const CudaDecoder device = pair.device();
  const Encoded tensor = encode(pair, {64, 128}, false, false, {.tile_chunks = 128, .run_groups = 1}, 0.005, random);
  int refused = 0;
  constexpr int kRounds = 300;
  for (int round = 0; round < kRounds; ++round) {
    Encoded bad = tensor;
    const size_t tiles_at = parse_stream(tensor.stream)->tiles[0].offset;
    bad.stream[tiles_at + random() % (bad.stream.size() - tiles_at)] ^= static_cast<std::byte>(1u << random() % 8);
    EXPECT_FALSE(DeviceRun::of(device, {&bad}, {}).ok());
    const Result<DeviceRun> run = DeviceRun::of(device, {&bad}, {.verify = false});
    ASSERT_TRUE(run.ok());
    ASSERT_TRUE(run->enqueue().ok());
    if (!run->verdict()) ++refused;
  }
  EXPECT_GT(refused, kRounds * 9 / 10);
}

}  // namespace
}  // namespace nwc
