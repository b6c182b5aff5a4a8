#include "codec/encode/trellis_codes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace nwc {
namespace {

TEST(TrellisCodes, AreMachinesThatParallelDecodersCanFollow) {
  for (const unsigned states : {4u, 8u, 16u, 32u, 64u}) {
    ASSERT_TRUE(has_trellis(states));
    const Trellis trellis = make_trellis(states);
    EXPECT_EQ(trellis.states, states);
    std::multiset<unsigned> reached;
    for (unsigned s = 0; s < states; ++s) {
      for (const uint8_t next : trellis.next[s]) {
        ASSERT_LT(next, states);
        reached.insert(next);
      }
      EXPECT_NE(trellis.next[s][0], trellis.next[s][1]);
      // The union after the next weight follows from the state alone.
      if (states == 4) continue;
      EXPECT_EQ(Trellis::union_of(trellis.next[s][0]), Trellis::union_of(trellis.next[s][1])) << s;
    }
    for (unsigned s = 0; s < states; ++s) EXPECT_EQ(reached.count(s), 2u) << states << ": " << s;
  }
  for (const unsigned states : {0u, 1u, 2u, 6u, 128u}) EXPECT_FALSE(has_trellis(states));
}

// Two paths that part and meet again differ by Ungerboeck's free distance, in squared steps.
TEST(TrellisCodes, HaveTheirFreeDistances) {
  const auto distance_of = [](const Trellis& trellis) {
    // Of pairs of states, the least distance; integers of unions differ by 4, 2 or an odd number.
    constexpr int kFar = 1000;
    std::vector<std::vector<int>> least(trellis.states, std::vector<int>(trellis.states, kFar));
    int free = kFar;
    for (unsigned s = 0; s < trellis.states; ++s) least[trellis.next[s][0]][trellis.next[s][1]] = 4;
    for (int round = 0; round < 64; ++round) {
      std::vector<std::vector<int>> next(trellis.states, std::vector<int>(trellis.states, kFar));
      for (unsigned a = 0; a < trellis.states; ++a) {
        for (unsigned b = 0; b < trellis.states; ++b) {
          if (least[a][b] >= kFar) continue;
          for (unsigned i = 0; i < 2; ++i) {
            for (unsigned j = 0; j < 2; ++j) {
              const int apart =
                  static_cast<int>((2 * i + Trellis::union_of(a)) + 8 - (2 * j + Trellis::union_of(b))) % 4;
              const int d = least[a][b] + (apart == 0 ? 0 : apart == 2 ? 4 : 1);
              const unsigned to_a = trellis.next[a][i], to_b = trellis.next[b][j];
              if (to_a == to_b)
                free = std::min(free, d);
              else
                next[to_a][to_b] = std::min(next[to_a][to_b], d);
            }
          }
        }
      }
      for (unsigned a = 0; a < trellis.states; ++a) {
        for (unsigned b = 0; b < trellis.states; ++b) least[a][b] = std::min(least[a][b], next[a][b]);
      }
    }
    return free;
  };
  EXPECT_EQ(distance_of(make_trellis(4)), 9);
  EXPECT_EQ(distance_of(make_trellis(8)), 10);
  EXPECT_EQ(distance_of(make_trellis(16)), 11);
  EXPECT_EQ(distance_of(make_trellis(32)), 13);
  EXPECT_EQ(distance_of(make_trellis(64)), 14);
}

}  // namespace
}  // namespace nwc
