#include "checkpoint/content_hash.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "support/safetensors_builder.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

TEST(ContentHash, DoesNotDependOnThreads) {
  std::vector<std::byte> bytes((size_t{33} << 20) + 5);
  for (size_t i = 0; i < bytes.size(); i += 4099) bytes[i] = static_cast<std::byte>(i);
  const auto hash_of = [&](int threads) {
    ContentHash hash;
    hash.add(bytes, threads);
    return hash.value();
  };
  const uint64_t one = hash_of(1);
  EXPECT_EQ(one, hash_of(3));
  bytes.back() ^= std::byte{1};
  EXPECT_NE(one, hash_of(1)) << "the last piece counts";
}

TEST(ContentHash, KnowsWhereAStringEnds) {
  const std::array<std::byte, 4> bytes{};
  ContentHash split, whole;
  split.add(std::span(bytes).first(2), 1);
  split.add(std::span(bytes).last(2), 1);
  whole.add(bytes, 1);
  EXPECT_NE(split.value(), whole.value());
}

TEST(ContentHash, TakesEveryByteWhereThereAreNoChecksums) {
  const testing::TempDir dir;
  const auto hash_of = [&](float weight) {
    const std::filesystem::path path = dir.add(
        "a.safetensors", testing::SafetensorsBuilder().add("w", "F32", {1}, testing::raw<float>({weight})).bytes());
    return checksummed_content_hash(*SafetensorsFile::open(path), 1);
  };
  EXPECT_EQ(hash_of(1), hash_of(1));
  EXPECT_NE(hash_of(1), hash_of(2));
}

}  // namespace
}  // namespace nwc
