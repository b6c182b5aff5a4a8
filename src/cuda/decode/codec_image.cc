#include "cuda/decode/codec_image.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "base/bytes.h"
#include "base/half.h"

namespace nwc::cuda {
namespace {

constexpr float kLargest = 60000.0f;  // in binary16, with room for rounding

uint32_t pair(float low, float high) { return half_from_float(low) | uint32_t{half_from_float(high)} << 16; }

bool fit(const std::vector<float>& values) {
  for (const float v : values) {
    if (!(std::abs(v) <= kLargest)) return false;
  }
  return true;
}

// A block's linear layer with the mean over its outputs taken out.
struct Centred {
  std::vector<float> weight, bias;
};
Centred centred(const TransformWeights::Block& block, size_t width) {
  Centred c{block.weight, block.bias};
  for (size_t k = 0; k <= width; ++k) {  // k == width: the bias
    double mean = 0;
    for (size_t j = 0; j < width; ++j) mean += k < width ? block.weight[j * width + k] : block.bias[j];
    mean /= static_cast<double>(width);
    for (size_t j = 0; j < width; ++j) {
      float& v = k < width ? c.weight[j * width + k] : c.bias[j];
      v = static_cast<float>(v - mean);
    }
  }
  return c;
}

std::vector<std::byte> no_operands(const TransformWeights& w) {
  return std::vector<std::byte>(size_t{wide_operands(static_cast<uint32_t>(w.depth))} * kWideStageBytes);
}

std::vector<std::byte> wgmma_operands(const TransformWeights& w, const std::vector<Centred>& blocks) {
  // Rows of 64 inputs, 16-byte pieces swizzled in groups of eight rows, as wgmma reads them in its 128-byte mode.
  std::vector<std::byte> stages = no_operands(w);
  const auto put = [&](size_t panel_at, size_t n, size_t k, float v) {
    store_le(stages.data() + panel_at + n * 128 + ((k / 8) ^ (n % 8)) * 16 + k % 8 * 2, half_from_float(v));
  };
  constexpr size_t kPanelBytes = kWidePass * 128;
  for (size_t n = 0; n < w.width; ++n) {
    const size_t pass = n / kWidePass;
    for (size_t k = 0; k < w.inputs; ++k)
      put(pass / 4 * kPanelBytes, n % kWidePass, pass % 4 * w.inputs + k, w.in_weight[n * w.inputs + k]);
  }
  size_t at = kWideStageBytes;
  for (const Centred& block : blocks) {
    for (size_t first = 0; first < w.width; first += kWidePass) {
      for (size_t i = 0; i < w.width / kWideStageInputs; ++i, at += kWideStageBytes) {
        const size_t inputs = (i + kWideFirstStage) * kWideStageInputs % w.width;
        for (size_t n = 0; n < kWidePass; ++n) {
          for (size_t k = 0; k < kWideStageInputs; ++k)
            put(at + k / 64 * kPanelBytes, n, k % 64, block.weight[(first + n) * w.width + inputs + k]);
        }
      }
    }
  }
  for (size_t n = 0; n < w.outputs; ++n) {
    for (size_t k = 0; k < w.width; ++k) put(at + k / 64 * w.outputs * 128, n, k % 64, w.out_weight[n * w.width + k]);
  }
  return stages;
}

std::vector<std::byte> mma_operands(const TransformWeights& w, const std::vector<Centred>& blocks) {
  std::vector<std::byte> operands = no_operands(w);
  size_t at = 0;
  // Operand B of two tiles of eight outputs by 16 inputs: of each lane, inputs k, k + 1 and k + 8, k + 9 of the first
  // tile, then of the second.
  const auto step = [&](const std::vector<float>& weight, size_t inputs, size_t outputs, size_t first_input) {
    for (size_t n = 0; n < outputs; n += 16) {
      for (size_t lane = 0; lane < 32; ++lane) {
        for (size_t i = 0; i < 4; ++i, at += 4) {
          const size_t from = (n + 8 * (i / 2) + lane / 4) * inputs + first_input + 2 * (lane % 4) + 8 * (i % 2);
          store_le(operands.data() + at, pair(weight[from], weight[from + 1]));
        }
      }
    }
  };
  step(w.in_weight, w.inputs, w.width, 0);
  for (const Centred& block : blocks) {
    for (size_t k = 0; k < w.width; k += 16) step(block.weight, w.width, w.width, k);
  }
  for (size_t k = 0; k < w.width; k += 16) step(w.out_weight, w.width, w.outputs, k);
  return operands;
}

}  // namespace

std::optional<SmallShape> small_shape(const TransformWeights& w) {
  if (w.inputs != kSmallLatents || w.outputs != kSmallChunk) return std::nullopt;
  if (w.depth == 0) return SmallShape::kLinear;
  if (w.width == kSmallWidth && w.depth == kSmallBlocks) return SmallShape::kResidual;
  return std::nullopt;
}

std::optional<SmallNetwork> small_network(const TransformWeights& w, unsigned level) {
  const std::optional<SmallShape> shape = small_shape(w);
  if (!shape) return std::nullopt;
  SmallNetwork network{};
  const auto embedding = [&](size_t block) {
    return w.embedding.data() + ((w.embedding_sets == 1 ? 0 : block) * w.levels + level) * w.width;
  };
  std::vector<float> out = w.out_weight;
  for (size_t j = 0; j < w.outputs; ++j) {
    for (size_t k = 0; k < w.width; ++k) out[j * w.width + k] *= embedding(std::max<size_t>(w.depth, 1) - 1)[k];
  }
  // Operand A: outputs lane / 4 and + 8 by inputs k, k + 1, then both with k + 8.
  for (unsigned lane = 0; lane < 32; ++lane) {
    for (unsigned step = 0; step < w.width / 16; ++step) {
      for (unsigned i = 0; i < 4; ++i) {
        const size_t j = lane / 4 + 8 * (i % 2), k = 16 * step + 2 * (lane % 4) + 8 * (i / 2);
        network.weights[10 + step][lane][i] = pair(out[j * w.width + k], out[j * w.width + k + 1]);
      }
    }
  }
  for (size_t j = 0; j < kSmallChunk; ++j) network.out_bias[j] = w.out_bias[j];
  if (*shape == SmallShape::kLinear) return fit(out) ? std::optional(network) : std::nullopt;
  const Centred blocks[] = {centred(w.blocks[0], w.width), centred(w.blocks[1], w.width)};
  bool fits = fit(w.in_weight) && fit(w.in_bias) && fit(out) && fit(w.embedding);
  for (size_t b = 0; b < 2; ++b)
    fits = fits && fit(blocks[b].weight) && fit(blocks[b].bias) && fit(w.blocks[b].gain) && fit(w.blocks[b].offset);
  if (!fits) return std::nullopt;

  // Operand B of m16n8k16 (weights of outputs 8 t + lane / 4): inputs k, k + 1 in the first register, k + 8, k + 9 in
  // the second.
  const auto operand_b = [&](const std::vector<float>& weight, size_t inputs, unsigned t, unsigned step, unsigned part,
                             unsigned lane) {
    const size_t j = 8 * t + lane / 4, k = 16 * step + 2 * (lane % 4) + 8 * part;
    return pair(weight[j * inputs + k], weight[j * inputs + k + 1]);
  };
  for (unsigned lane = 0; lane < 32; ++lane) {
    const auto word = [&](unsigned number) -> uint32_t& { return network.weights[number / 4][lane][number % 4]; };
    const auto vector = [&](unsigned number) { return network.vectors[number][lane % 4]; };
    const unsigned column = 2 * (lane % 4);
    for (unsigned t = 0; t < 4; ++t) {
      const size_t j = 8 * t + column;
      for (unsigned part = 0; part < 2; ++part)
        word(2 * t + part) = operand_b(w.in_weight, kSmallLatents, t, 0, part, lane);
      vector(0)[t] = pair(w.in_bias[j], w.in_bias[j + 1]);
      vector(7)[t] = pair(embedding(0)[j], embedding(0)[j + 1]);
      for (unsigned b = 0; b < 2; ++b) {
        for (unsigned i = 0; i < 4; ++i)
          word(8 + 16 * b + 4 * t + i) = operand_b(blocks[b].weight, kSmallWidth, t, i / 2, i % 2, lane);
        vector(1 + 3 * b)[t] = pair(blocks[b].bias[j], blocks[b].bias[j + 1]);
        vector(2 + 3 * b)[t] = pair(w.blocks[b].gain[j], w.blocks[b].gain[j + 1]);
        vector(3 + 3 * b)[t] = pair(w.blocks[b].offset[j], w.blocks[b].offset[j + 1]);
      }
    }
  }
  return network;
}

std::optional<size_t> append_wide_network(Blob& blob, const TransformWeights& w, WidePath path) {
  if (w.inputs != kWideLatents || w.outputs != kWideChunk || w.width != kWideWidth || w.depth == 0) return std::nullopt;
  std::vector<Centred> blocks;
  bool fits = fit(w.in_weight) && fit(w.in_bias) && fit(w.out_weight) && fit(w.embedding);
  for (const TransformWeights::Block& block : w.blocks) {
    blocks.push_back(centred(block, w.width));
    fits = fits && fit(blocks.back().weight) && fit(blocks.back().bias) && fit(block.gain) && fit(block.offset);
  }
  if (!fits) return std::nullopt;

  const std::vector<std::byte> stages = path == WidePath::kWgmma ? wgmma_operands(w, blocks) : mma_operands(w, blocks);
  std::vector<WideVectors> vectors(w.levels * (1 + w.depth));
  const auto biases = [&](WideVectors& to, const std::vector<float>& bias) {
    for (size_t i = 0; i < w.width; i += 2) to.bias[i / 32][i / 2 % 4][i / 8 % 4] = pair(bias[i], bias[i + 1]);
  };
  for (size_t level = 0; level < w.levels; ++level) {
    biases(vectors[level * (1 + w.depth)], w.in_bias);
    for (size_t b = 0; b < w.depth; ++b) {
      const TransformWeights::Block& block = w.blocks[b];
      const float* const embedding =
          w.embedding.data() + ((w.embedding_sets == 1 ? 0 : b) * w.levels + level) * w.width;
      WideVectors& to = vectors[level * (1 + w.depth) + 1 + b];
      biases(to, blocks[b].bias);
      for (size_t i = 0; i < w.width; i += 2) {
        to.affine[i / 16][i / 2 % 4][i / 8 % 2] = pair(block.gain[i], block.gain[i + 1]);
        to.affine[i / 16][i / 2 % 4][2 + i / 8 % 2] = pair(block.offset[i], block.offset[i + 1]);
        to.embedding[i / 16][i / 2 % 4][i / 8 % 2] = pair(embedding[i], embedding[i + 1]);
      }
    }
  }
  const size_t network_at = blob.reserve(sizeof(WideNetwork));
  blob.at<WideNetwork>(network_at)->depth = static_cast<uint32_t>(w.depth);
  blob.point(network_at + offsetof(WideNetwork, stages), blob.append(stages));
  blob.point(network_at + offsetof(WideNetwork, vectors), blob.append(vectors));
  blob.point(network_at + offsetof(WideNetwork, out_bias), blob.append(w.out_bias));
  return network_at;
}

std::optional<SmallTables> small_tables(const DecodingTables& tables, unsigned level, unsigned channels,
                                        std::span<const float> centers) {
  if (channels != kSmallLatents) return std::nullopt;
  std::optional<SmallTables> result(std::in_place);
  for (unsigned c = 0; c < kSmallLatents; ++c) {
    const Context context = level_channel_context(level, kSmallLatents, c);
    const SymbolMap& map = tables.symbols(context);
    const std::span<const uint32_t> slots = tables.slots(context);
    if (map.shift != 0) return std::nullopt;
    const uint32_t moved = kSmallEscape - map.escape();
    for (SmallSymbol& symbol : result->symbols[c]) symbol = {};
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      const uint32_t entry = slots[slot], symbol = entry & 0xFF, offset = entry >> 20, frequency = entry >> 8 & 0xFFF;
      result->symbol_of_slot[c][slot] = static_cast<uint8_t>(symbol + moved);
      if (offset != 0) continue;
      const float latent =
          static_cast<float>(map.minimum + static_cast<int32_t>(symbol)) + centers[level * kSmallLatents + c];
      // Beyond binary16: infinity, which leads to the exact computation.
      const uint32_t bits = symbol == map.escape()         ? 0x7E00u
                            : std::abs(latent) <= kLargest ? half_from_float(latent)
                                                           : 0x7C00u;
      result->symbols[c][symbol + moved] = {static_cast<int32_t>(frequency) - static_cast<int32_t>(kSlots),
                                            bits << 16 | slot};
    }
  }
  return result;
}

PlainTables plain_tables(const DecodingTables& tables) {
  const auto append = [&](size_t number, std::vector<uint32_t>& words) {
    const SymbolMap& map = tables.symbols(static_cast<Context>(number));
    if (map.shift != 0 || map.minimum < -127 || map.minimum + static_cast<int32_t>(map.count) - 1 > 127) return false;
    const std::span<const uint32_t> slots = tables.slots(static_cast<Context>(number));
    std::array<uint8_t, kPlainBuckets> first_symbols;
    std::vector<uint32_t> symbols;
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      const uint32_t symbol = slots[slot] & 0xFF, frequency = slots[slot] >> 8 & 0xFFF;
      if (slots[slot] >> 20 == 0) {  // the symbol's first slot
        const auto value = symbol == map.escape() ? 0 : static_cast<uint32_t>(map.value_of(symbol, 0) + 128);
        symbols.push_back(slot << 20 | frequency << 8 | value);
      }
      if (slot % (kSlots / kPlainBuckets) == 0)
        first_symbols[slot / (kSlots / kPlainBuckets)] = static_cast<uint8_t>(symbols.size() - 1);
    }
    symbols.push_back(symbols.back());
    const size_t at = words.size();
    words.resize(at + kPlainBuckets / 4);
    std::memcpy(words.data() + at, first_symbols.data(), kPlainBuckets);
    words.insert(words.end(), symbols.begin(), symbols.end());
    return true;
  };
  PlainTables result;
  const size_t classes = tables.size() / 2;
  for (size_t c = 0; c < classes; ++c) {
    result.begins.push_back(static_cast<uint32_t>(result.words.size()));
    std::vector<uint32_t> even, odd;
    if (!append(c, even) || !append(c + classes, odd)) even.clear(), odd.clear();
    result.lengths.push_back(static_cast<uint32_t>(even.size()));
    result.words.insert(result.words.end(), even.begin(), even.end());
    result.words.insert(result.words.end(), odd.begin(), odd.end());
    result.words.resize((result.words.size() + 3) / 4 * 4);
  }
  result.begins.push_back(static_cast<uint32_t>(result.words.size()));
  return result;
}

size_t append_network(Blob& blob, const TransformWeights& w) {
  const size_t at = blob.reserve(sizeof(Network)),
               blocks_at = blob.reserve(sizeof(Block) * std::max<size_t>(1, w.depth));
  *blob.at<Network>(at) = {.inputs = static_cast<uint32_t>(w.inputs),
                           .outputs = static_cast<uint32_t>(w.outputs),
                           .width = static_cast<uint32_t>(w.width),
                           .depth = static_cast<uint32_t>(w.depth),
                           .levels = static_cast<uint32_t>(w.levels),
                           .embedding_sets = static_cast<uint32_t>(w.embedding_sets),
                           .plain = is_identity(w) ? 1u : 0u};
  // Panels of eight outputs: for each input, the panel's weights.
  const auto linear = [&](size_t field, const std::vector<float>& weight, const std::vector<float>& bias, size_t inputs,
                          size_t outputs) {
    const size_t padded = (outputs + 7) / 8 * 8;
    std::vector<float> packed(padded * inputs), padded_bias(bias);
    padded_bias.resize(padded);
    for (size_t j = 0; j < outputs; ++j) {
      for (size_t k = 0; k < inputs; ++k) packed[(j / 8 * inputs + k) * 8 + j % 8] = weight[j * inputs + k];
    }
    const size_t packed_at = blob.append(packed), bias_at = blob.append(padded_bias);
    Linear& layer = *blob.at<Linear>(field);
    layer.inputs = static_cast<uint32_t>(inputs);
    layer.outputs = static_cast<uint32_t>(outputs);
    blob.point(field + offsetof(Linear, packed), packed_at);
    blob.point(field + offsetof(Linear, bias), bias_at);
  };
  if (w.depth > 0) linear(at + offsetof(Network, in), w.in_weight, w.in_bias, w.inputs, w.width);
  linear(at + offsetof(Network, out), w.out_weight, w.out_bias, w.width, w.outputs);
  for (size_t b = 0; b < w.depth; ++b) {
    const size_t block_at = blocks_at + b * sizeof(Block);
    linear(block_at + offsetof(Block, linear), w.blocks[b].weight, w.blocks[b].bias, w.width, w.width);
    blob.point(block_at + offsetof(Block, gain), blob.append(w.blocks[b].gain));
    blob.point(block_at + offsetof(Block, offset), blob.append(w.blocks[b].offset));
  }
  blob.point(at + offsetof(Network, blocks), blocks_at);
  blob.point(at + offsetof(Network, embeddings), blob.append(w.embedding));
  return at;
}

size_t append_channels(Blob& blob, const DecodingTables& tables, size_t first, size_t count,
                       std::span<const float> centers) {
  const size_t at = blob.reserve(sizeof(Channel) * count);
  for (size_t c = 0; c < count; ++c) {
    const Context context = static_cast<Context>(first + c);
    const SymbolMap& map = tables.symbols(context);
    const std::span<const uint32_t> slots = tables.slots(context);
    const size_t slots_at = blob.append(std::vector<uint32_t>(slots.begin(), slots.end()));
    *blob.at<Channel>(at + c * sizeof(Channel)) = {nullptr, map.minimum, map.shift, map.escape(), centers[context]};
    blob.point(at + c * sizeof(Channel) + offsetof(Channel, slots), slots_at);
  }
  return at;
}

}  // namespace nwc::cuda
