#include "conformance/golden_codecs.h"

#include <cmath>
#include <cstdlib>

#include "codec/encode/trellis_codes.h"
#include "support/tiny_codec.h"

namespace nwc::testing {
namespace {

// Integers -reach << shift and up, the middle most often; `escape` of 4096 for the escape.
FrequencyTable triangle_table(int32_t reach, uint32_t shift, uint16_t escape) {
  FrequencyTable table{-reach * (1 << shift), shift, {}};
  const uint32_t area = static_cast<uint32_t>((reach + 1) * (reach + 1)),
                 shares = kFrequencyTotal - escape - 2 * static_cast<uint32_t>(reach) - 1;
  uint32_t left = shares;
  for (int32_t v = -reach; v <= reach; ++v) {
    const uint32_t share = shares * static_cast<uint32_t>(reach + 1 - std::abs(v)) / area;
    table.frequencies.push_back(static_cast<uint16_t>(1 + share));
    left -= share;
  }
  uint16_t& middle = table.frequencies[static_cast<size_t>(reach)];
  middle = static_cast<uint16_t>(middle + left);
  table.frequencies.push_back(escape);
  return table;
}

// The same with one integer more, so that minimum and count are even. `reach`: odd.
FrequencyTable even_table(int32_t reach, uint32_t shift, uint16_t escape) {
  FrequencyTable table = triangle_table(reach, shift, escape);
  uint16_t& middle = table.frequencies[static_cast<size_t>(reach)];
  middle = static_cast<uint16_t>(middle - 1);
  table.frequencies.insert(table.frequencies.begin(), 1);
  table.minimum -= 1 << shift;
  return table;
}

TransformWeights random_network(size_t inputs, size_t outputs, size_t width, size_t depth, size_t levels, size_t sets,
                                Numbers& numbers) {
  TransformWeights w{
      .inputs = inputs, .outputs = outputs, .width = width, .depth = depth, .levels = levels, .embedding_sets = sets};
  const float by_width = 1 / std::sqrt(static_cast<float>(width)),
              by_inputs = 1 / std::sqrt(static_cast<float>(inputs));
  w.in_weight = numbers.halves(width * inputs, by_inputs);
  w.in_bias = numbers.halves(width, 0.125f);
  for (size_t b = 0; b < depth; ++b) {
    w.blocks.push_back({numbers.halves(width * width, by_width), numbers.halves(width, 0.125f),
                        numbers.halves(width, 0.25f, 1), numbers.halves(width, 0.125f)});
  }
  w.embedding = numbers.halves(sets * levels * width, 0.25f, 1);
  w.out_weight = numbers.halves(outputs * width, by_width);
  w.out_bias = numbers.halves(outputs, 0.125f);
  return w;
}

}  // namespace

EncoderCodec blocks_codec() {
  Numbers numbers(11);
  EncoderCodec codec;
  codec.analysis = random_network(12, 5, 20, 1, 5, 1, numbers);
  codec.decoder.synthesis = random_network(5, 12, 9, 2, 5, 2, numbers);
  codec.decoder.tables.levels = 5;
  codec.decoder.tables.channels = 5;
  for (uint32_t i = 0; i < 25; ++i) {
    codec.decoder.tables.set.push_back(i == 24 ? FrequencyTable{-16384, 15, {4095, 1}}
                                               : triangle_table(1 + static_cast<int32_t>(i % 7) * 3, i % 4, 1));
    codec.decoder.tables.centers.push_back(0.125f * static_cast<float>(i % 8) - 0.375f);
  }
  codec.nmse.assign(5, 0.03125f);
  return codec;
}

EncoderCodec lines_codec() {
  EncoderCodec codec;
  codec.analysis = scaled_identity(8, {1.0f, 0.5f});
  codec.decoder.synthesis = scaled_identity(8, {1.0f, 2.0f});
  codec.decoder.tables.levels = 2;
  codec.decoder.tables.channels = 8;
  for (uint32_t t = 0; t < 16; ++t) {
    codec.decoder.tables.set.push_back(
        triangle_table(1 + static_cast<int32_t>(t), t < 12 ? 0 : t - 11, static_cast<uint16_t>(1 + t)));
    codec.decoder.tables.centers.push_back(t % 4 == 3 ? 0.25f : 0.0f);
  }
  codec.nmse.assign(2, 0.03125f);
  return codec;
}

EncoderCodec trellis_golden_codec() {
  EncoderCodec codec;
  codec.analysis = codec.decoder.synthesis = identity_transform(4, 8);
  codec.decoder.trellis = make_trellis(8);
  codec.by_lines = ContextRule::kTrellis;
  codec.decoder.tables.levels = 4;
  codec.decoder.tables.channels = 8;
  codec.decoder.tables.centers.assign(32, 0.0f);
  for (uint32_t t = 0; t < 32; ++t) {
    const uint32_t of_class = t % 16;
    codec.decoder.tables.set.push_back(even_table(1 + 2 * static_cast<int32_t>(of_class / 2),
                                                  of_class < 12 ? 0 : of_class - 11, static_cast<uint16_t>(1 + t)));
  }
  codec.nmse.assign(4, 0.03125f);
  return codec;
}

EncoderCodec minimal_codec() {
  EncoderCodec codec;
  codec.analysis = scaled_identity(1, {4.0f});
  codec.decoder.synthesis = {.inputs = 1,
                             .outputs = 1,
                             .width = 1,
                             .depth = 1,
                             .levels = 1,
                             .in_weight = {0.25f},
                             .in_bias = {-1.0f},
                             .blocks = {{{3.0f}, {0.5f}, {1.0f}, {1.0f}}},
                             .embedding = {1.0f},
                             .out_weight = {1.0f},
                             .out_bias = {0.0f}};
  codec.decoder.tables.levels = codec.decoder.tables.channels = 1;
  codec.decoder.tables.set = {{0, 0, {3, 4093}}};
  codec.decoder.tables.centers = {0.0f};
  codec.nmse = {0.015625f};
  return codec;
}

EncoderCodec overflow_codec() {
  EncoderCodec codec;
  codec.analysis = scaled_identity(4, {4.0f, 8.0f});
  codec.decoder.synthesis = scaled_identity(4, {0.25f, 2.0f});
  codec.decoder.tables.levels = 2;
  codec.decoder.tables.channels = 4;
  codec.decoder.tables.set = TableSet(8, triangle_table(8, 0, 64));
  codec.decoder.tables.centers = {0.0f, 0.25f, -0.25f, 0.5f, 3e38f, 0.0f, 0.0f, -3e38f};
  codec.nmse = {0.015625f, 0.015625f};
  return codec;
}

std::vector<uint8_t> random_levels(size_t columns, uint32_t levels, Numbers& numbers) {
  std::vector<uint8_t> values(columns);
  for (uint8_t& l : values) l = static_cast<uint8_t>(numbers.below(levels));
  return values;
}

LineScales random_lines(uint64_t matrices, uint64_t rows, uint64_t columns, Numbers& numbers) {
  LineScales lines;
  const auto line = [&](std::vector<int16_t>& steps, std::vector<int16_t>& spreads, int step, int least,
                        uint32_t most) {
    const int own = step + static_cast<int>(numbers.below(40)) - 20;
    const int of_line = least + static_cast<int>(numbers.below(most));
    steps.push_back(static_cast<int16_t>(own));
    spreads.push_back(static_cast<int16_t>(of_line + (own >> 1)));
  };
  for (uint64_t j = 0; j < matrices * columns; ++j) line(lines.column_steps, lines.column_spreads, -50, 0, 12);
  for (uint64_t i = 0; i < matrices * rows; ++i) line(lines.row_steps, lines.row_spreads, 0, -4, 10);
  return lines;
}

}  // namespace nwc::testing
