#include "model/layers/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "libtorch/tensors.h"

namespace nwc {
namespace {

constexpr int64_t kSmallestTable = 256;  // positions; tables double from here

// The rule that Llama 3.1 was trained with: wavelengths that fit `high_freq_factor` times into the original context
// stay, those that fit less than `low_freq_factor` times are stretched by `factor`, linear passage in between.
double llama3_scaled(double frequency, const RopeSpec& rope) {
  const double turns = static_cast<double>(rope.original_positions) * frequency / (2 * std::numbers::pi);
  if (turns > rope.high_freq_factor) return frequency;
  if (turns < rope.low_freq_factor) return frequency / rope.factor;
  const double kept = (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
  return (1 - kept) * frequency / rope.factor + kept * frequency;
}

// The dimension, of `rotary_dim`, whose pair turns `turns` times within the original context.
double dimension_of(double turns, const RopeSpec& rope, int64_t rotary_dim) {
  const double wavelength = static_cast<double>(rope.original_positions) / turns;
  return static_cast<double>(rotary_dim) * std::log(wavelength / (2 * std::numbers::pi)) / (2 * std::log(rope.theta));
}

// YaRN: pairs before the ramp keep their frequency, those behind it are divided by `factor`. The ramp's ends are
// dimensions but count pairs, and its floor of 0.001 keeps it from being a step: both as in transformers.
double yarn_scaled(double frequency, int64_t pair, const RopeSpec& rope, int64_t rotary_dim) {
  double begin = dimension_of(rope.beta_fast, rope, rotary_dim), end = dimension_of(rope.beta_slow, rope, rotary_dim);
  if (rope.whole_dimensions) begin = std::floor(begin), end = std::ceil(end);
  begin = std::max(begin, 0.0);
  end = std::min(end, static_cast<double>(rotary_dim - 1));
  if (begin == end) end += 0.001;
  const double divided = std::clamp((static_cast<double>(pair) - begin) / (end - begin), 0.0, 1.0);
  return divided * frequency / rope.factor + (1 - divided) * frequency;
}

// Whether LongRoPE's long factors are for a sequence of this length.
bool is_long(const RopeSpec& rope, int64_t length) {
  return rope.scaling == RopeSpec::Scaling::kLong && length > rope.original_positions;
}

double scaled(double frequency, int64_t pair, const RopeSpec& rope, int64_t rotary_dim, int64_t length) {
  switch (rope.scaling) {
    case RopeSpec::Scaling::kNone: return frequency;
    case RopeSpec::Scaling::kLinear: return frequency / rope.factor;
    case RopeSpec::Scaling::kLlama3: return llama3_scaled(frequency, rope);
    case RopeSpec::Scaling::kYarn: return yarn_scaled(frequency, pair, rope, rotary_dim);
    case RopeSpec::Scaling::kLong:
      return frequency / (is_long(rope, length) ? rope.long_factors : rope.short_factors)[static_cast<size_t>(pair)];
  }
  return frequency;
}

}  // namespace

std::vector<float> rope_frequencies(const RopeSpec& rope, int64_t head_dim, int64_t length) {
  const int64_t rotary_dim = rope.rotary_dim(head_dim);
  std::vector<float> frequencies;
  for (int64_t i = 0; i < rotary_dim / 2; ++i) {
    const double frequency = std::pow(rope.theta, -2.0 * static_cast<double>(i) / static_cast<double>(rotary_dim));
    frequencies.push_back(static_cast<float>(scaled(frequency, i, rope, rotary_dim, length)));
  }
  return frequencies;
}

struct RopeTables::Table {
  RopeSpec rope;
  bool is_long = false;
  at::Tensor cos, sin;  // [positions, 1, rotary_dim / 2]
};

RopeTables::RopeTables() = default;
RopeTables::~RopeTables() = default;

RopeTables::Table RopeTables::find(const RopeSpec& rope, const at::Tensor& like, int64_t length) {
  const int64_t head_dim = like.size(3), pairs = rope.rotary_dim(head_dim) / 2;
  const bool long_factors = is_long(rope, length);
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(tables_.begin(), tables_.end(), [&](const Table& t) {
    return t.is_long == long_factors && t.cos.size(2) == pairs && t.cos.device() == like.device() && t.rope == rope;
  });
  if (found != tables_.end() && found->cos.size(0) >= length) return *found;
  int64_t positions = kSmallestTable;
  while (positions < length) positions *= 2;
  // The product is rounded to float32 before the cosine, as in transformers; at position 100,000 that moves the angle
  // by up to 0.004.
  const at::Tensor angles = torch::arange(positions, torch::kFloat32).unsqueeze(1) *
                            torch::tensor(rope_frequencies(rope, head_dim, length)).unsqueeze(0);
  const Table table{rope, long_factors, angles.cos().mul_(rope.magnitude).unsqueeze(1).to(like.device()),
                    angles.sin().mul_(rope.magnitude).unsqueeze(1).to(like.device())};
  if (found != tables_.end()) {
    *found = table;
  } else {
    tables_.push_back(table);
  }
  return table;
}

at::Tensor RopeTables::rotate(const at::Tensor& x, const RopeSpec& rope, int64_t position) {
  const int64_t length = x.size(1), head_dim = x.size(3);
  const Table table = find(rope, x, position + length);
  const at::Tensor cos = table.cos.narrow(0, position, length), sin = table.sin.narrow(0, position, length);
  const int64_t half = cos.size(2), rotary_dim = 2 * half;
  const at::Tensor first = rope.interleaved ? x.slice(3, 0, rotary_dim, 2) : x.narrow(3, 0, half);
  const at::Tensor second = rope.interleaved ? x.slice(3, 1, rotary_dim, 2) : x.narrow(3, half, half);
  std::vector<at::Tensor> turned{first * cos - second * sin, second * cos + first * sin};
  if (rope.interleaved) turned = {torch::stack(turned, 4).flatten(3)};
  if (rotary_dim < head_dim) turned.push_back(x.narrow(3, rotary_dim, head_dim - rotary_dim));
  return torch::cat(turned, 3);
}

}  // namespace nwc
