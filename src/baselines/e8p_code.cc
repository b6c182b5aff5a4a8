#include "baselines/e8p_code.h"

#include <algorithm>
#include <cmath>

namespace nwc {
namespace {

constexpr size_t kPoints = 256;
constexpr unsigned kN = kE8Dimensions;
using Point = std::array<float, kN>;

float squared_norm(const Point& p) {
  float sum = 0;
  for (const float v : p) sum += v * v;
  return sum;
}

// All vectors whose coordinates are among `values`, lexicographically.
template <class Visit>
void for_all(const std::vector<float>& values, const Visit& visit) {
  std::array<size_t, kN> at{};
  for (;;) {
    Point p;
    for (unsigned i = 0; i < kN; ++i) p[i] = values[at[i]];
    visit(p);
    unsigned i = kN;
    while (i > 0 && at[i - 1] + 1 == values.size()) at[--i] = 0;
    if (i == 0) return;
    ++at[i - 1];
  }
}

void side_by_side(const std::vector<Point>& points, std::vector<float>& by_coordinate, std::vector<float>& half_norm) {
  by_coordinate.resize(kN * points.size());
  for (size_t e = 0; e < points.size(); ++e) {
    for (unsigned i = 0; i < kN; ++i) by_coordinate[i * points.size() + e] = points[e][i];
    half_norm.push_back(squared_norm(points[e]) / 2);
  }
}

}  // namespace

E8pCode::E8pCode() {
  for_all({0.5f, 1.5f, 2.5f}, [&](const Point& p) {
    if (squared_norm(p) <= 10) positive_.push_back(p);
  });
  for_all({0.5f, 1.5f}, [&](const Point& p) {
    if (squared_norm(p) == 12 && positive_.size() < kPoints) positive_.push_back(p);
  });
  side_by_side(positive_, by_coordinate_, half_norm_);
  for (const Point& p : positive_) {
    float sum = 0;
    for (const float v : p) sum += v;
    odd_.push_back(static_cast<int>(sum) % 2 != 0 ? 1 : 0);
  }
  for (const std::vector<float>& values : {std::vector<float>{-1, 0, 1}, std::vector<float>{-0.5f, 0.5f}}) {
    for_all(values, [&](const Point& p) {
      float sum = 0;
      for (const float v : p) sum += v;
      if (squared_norm(p) <= 2 && std::fmod(sum, 2.0f) == 0) short_.push_back(p);
    });
  }
  for (unsigned i = 0; i < 2 * kN - 1; ++i) {
    Point p{};
    p[i % kN] = i < kN ? 2 : -2;
    short_.push_back(p);
  }
  side_by_side(short_, short_by_coordinate_, short_half_norm_);
}

// For each move, signs follow the target's; where their number has the wrong parity for an entry, the coordinate whose
// flip costs least gets the other sign.
void E8pCode::nearest(const float* x, float* point) const {
  float best_score = -INFINITY, best_move = 0;
  size_t best_entry = 0;
  for (const float move : {0.25f, -0.25f}) {
    float size[kN], dot[kPoints], least[kPoints], norm = 0;
    unsigned negative = 0;
    for (unsigned i = 0; i < kN; ++i) {
      const float y = x[i] - move;
      negative += y < 0 ? 1 : 0;
      size[i] = std::abs(y);
      norm += y * y;
    }
    for (size_t e = 0; e < kPoints; ++e) {
      dot[e] = 0;
      least[e] = INFINITY;
    }
    for (unsigned i = 0; i < kN; ++i) {
      const float* const a = by_coordinate_.data() + i * kPoints;
      const float s = size[i];
      for (size_t e = 0; e < kPoints; ++e) {
        const float product = a[e] * s;
        dot[e] += product;
        least[e] = product < least[e] ? product : least[e];
      }
    }
    const uint8_t parity = static_cast<uint8_t>(negative % 2);
    for (size_t e = 0; e < kPoints; ++e) {
      const float flip = odd_[e] != parity ? 2 * least[e] : 0.0f;
      dot[e] = dot[e] - flip - half_norm_[e];  // half of |y|^2 less the squared distance
    }
    for (size_t e = 0; e < kPoints; ++e) {
      const float score = dot[e] - norm / 2;
      if (!(score > best_score)) continue;
      best_score = score;
      best_entry = e;
      best_move = move;
    }
  }
  const Point& entry = positive_[best_entry];
  unsigned negative = 0, flipped = 0;
  float least = INFINITY;
  for (unsigned i = 0; i < kN; ++i) {
    const float y = x[i] - best_move;
    negative += y < 0 ? 1 : 0;
    if (entry[i] * std::abs(y) < least) {
      least = entry[i] * std::abs(y);
      flipped = i;
    }
    point[i] = y < 0 ? -entry[i] : entry[i];
  }
  if (negative % 2 != odd_[best_entry]) point[flipped] = -point[flipped];
  for (unsigned i = 0; i < kN; ++i) point[i] += best_move;
}

void E8pCode::nearest_short(const float* x, float* point) const {
  float score[kPoints];
  for (size_t e = 0; e < kPoints; ++e) score[e] = -short_half_norm_[e];
  for (unsigned i = 0; i < kN; ++i) {
    const float* const a = short_by_coordinate_.data() + i * kPoints;
    for (size_t e = 0; e < kPoints; ++e) score[e] += a[e] * x[i];
  }
  const size_t best = static_cast<size_t>(std::max_element(score, score + kPoints) - score);
  std::copy(short_[best].begin(), short_[best].end(), point);
}

void E8pCode::quantise(const float* x, unsigned bits, float* decoded) const {
  nearest(x, decoded);
  if (bits == 2) return;
  const float enlarged = bits == 3 ? 2.04f : 3.45f;  // the authors' values
  float rest[kN], second[kN];
  for (unsigned i = 0; i < kN; ++i) rest[i] = (x[i] - decoded[i]) * enlarged;
  bits == 3 ? nearest_short(rest, second) : nearest(rest, second);
  for (unsigned i = 0; i < kN; ++i) decoded[i] += second[i] / enlarged;
}

double e8p_scale(unsigned bits) { return bits == 3 ? 0.98 : 1.03; }

}  // namespace nwc
