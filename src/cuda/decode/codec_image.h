// A codec's network and tables in the forms that the kernels read.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "codec/codec.h"
#include "cuda/decode/device_types.h"
#include "cuda/support/blob.h"

namespace nwc::cuda {

// Which of the fused kernel's bodies this network is for, if any.
std::optional<SmallShape> small_shape(const TransformWeights& weights);
// g_s of one level for the fused kernel; nullopt if its shape is another, or its numbers do not fit binary16.
std::optional<SmallNetwork> small_network(const TransformWeights& weights, unsigned level);
// Appends a WideNetwork for one of its kernels and what it points to; returns its offset, nullopt as small_network()
// for its shape.
std::optional<size_t> append_wide_network(Blob& blob, const TransformWeights& weights, WidePath path);
// The tables of one level; nullopt if a channel has raw bits.
std::optional<SmallTables> small_tables(const DecodingTables& tables, unsigned level, unsigned channels,
                                        std::span<const float> centers);

// The tables of a codec with a trellis as its kernel keeps them in shared memory.
struct PlainTables {
  std::vector<uint32_t> words;    // class by class, of even integers first; whole 16 bytes for each
  std::vector<uint32_t> begins;   // [classes + 1]: a class's first word; it has none if its tables have another form
  std::vector<uint32_t> lengths;  // [classes]: words of its table of even integers
};
PlainTables plain_tables(const DecodingTables& tables);

// Appends a Network and what it points to; returns its offset.
size_t append_network(Blob& blob, const TransformWeights& weights);
// Appends the Channels of tables [first, first + count) and their slots; returns their offset. `centers`: of all
// tables.
size_t append_channels(Blob& blob, const DecodingTables& tables, size_t first, size_t count,
                       std::span<const float> centers);

}  // namespace nwc::cuda
