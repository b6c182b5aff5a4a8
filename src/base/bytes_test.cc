#include "base/bytes.h"

#include <gtest/gtest.h>

namespace nwc {
namespace {

TEST(Varint, RoundTripsAtEveryLength) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    for (const uint64_t value : {uint64_t{1} << bit, (uint64_t{1} << bit) - 1}) {
      std::vector<std::byte> bytes;
      append_varint(bytes, value);
      ByteReader reader(bytes);
      EXPECT_EQ(reader.varint(), value);
      EXPECT_EQ(reader.remaining(), 0u);
    }
  }
}

TEST(Varint, KnownBytes) {
  std::vector<std::byte> bytes;
  append_varint(bytes, 300);
  EXPECT_EQ(bytes, (std::vector<std::byte>{std::byte{0xAC}, std::byte{0x02}}));
}

TEST(Varint, RefusesTruncationAndOverflow) {
  const std::vector<std::byte> truncated{std::byte{0x80}};
  EXPECT_FALSE(ByteReader(truncated).varint());
  std::vector<std::byte> too_long(9, std::byte{0xFF});
  too_long.push_back(std::byte{0x02});  // bit 64
  EXPECT_FALSE(ByteReader(too_long).varint());
  too_long.back() = std::byte{0x01};  // bit 63 is fine
  EXPECT_EQ(ByteReader(too_long).varint(), UINT64_MAX);
}

TEST(Zigzag, KnownValues) {
  EXPECT_EQ(zigzag(0), 0u);
  EXPECT_EQ(zigzag(-1), 1u);
  EXPECT_EQ(zigzag(1), 2u);
  EXPECT_EQ(zigzag(INT64_MIN), UINT64_MAX);
  EXPECT_EQ(unzigzag(UINT64_MAX), INT64_MIN);
  EXPECT_EQ(unzigzag(3), -2);
}

TEST(ByteReader, StopsAtTheEnd) {
  const std::vector<std::byte> bytes(5);
  ByteReader reader(bytes);
  EXPECT_TRUE(reader.le<uint32_t>());
  EXPECT_FALSE(reader.le<uint16_t>());
  EXPECT_EQ(reader.position(), 4u);
}

}  // namespace
}  // namespace nwc
