// LDLQ over blocks of columns (QuIP, QuIP#, QTIP): from the last block to the first, each aims at its original weights
// plus what the blocks after it left over.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "guide/block_ldl.h"

namespace nwc {

// `rows` rows of `columns` neighbouring columns, both [column][row]: what is wanted in, what is decoded out.
struct ColumnBlock {
  uint64_t first_row = 0, rows = 0, first_column = 0, columns = 0;
  const float* target = nullptr;
  float* decoded = nullptr;
  int worker = 0;  // which of the threads: for scratch
};

// The decoded weights, [rows][columns]. `factor`: with columns in their own order and blocks of `block` columns; null
// for no feedback. Rows are taken `rows_together` at once, on `threads` threads; they do not see each other.
std::vector<float> quantise_by_blocks(const std::vector<float>& weights, uint64_t rows, uint64_t columns,
                                      const FeedbackFactor* factor, uint64_t block, uint64_t rows_together, int threads,
                                      const std::function<void(const ColumnBlock&)>& quantise);

}  // namespace nwc
