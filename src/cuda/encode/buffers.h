// Device memory that the encoder's tensors use one after another.
#pragma once

#include "cuda/support/memory.h"

namespace nwc::cuda {

struct Buffers {
  DeviceMemory scales, factors, levels, column_classes, row_classes;  // of a whole tensor
  DeviceMemory symbols, stripes, errors, patches, patch_count, sums;  // of the stripes at work
  DeviceMemory targets, originals, chunks, latents, decoded;          // of a batch
  DeviceMemory plan, states, statuses, repairs;
  DeviceMemory costs, cost_tables, left, trellis;        // of codecs without a transform
  DeviceMemory near, far, far_count;                     // counts of symbols
  DeviceMemory columns, groups, tiles, numbers, tables;  // descriptions for coding
  DeviceMemory words, word_counts, coder_states, escapes, escape_count, offsets, payload;
};

}  // namespace nwc::cuda
