// Whose tables a tensor's symbols are coded with: the codec's, or its own where they pay for their bytes.
#pragma once

#include <cstddef>
#include <vector>

#include "entropy/frequency_table.h"
#include "tensor/symbol_sample.h"

namespace nwc {

struct TableChoice {
  TableSet used;                     // what to encode with
  std::vector<std::byte> own_bytes;  // the stream's own tables, empty if it has none
  double estimated_bits = 0;         // of all symbols, from the sample
};

// Fits tables to a sample and, if allowed, keeps those that pay for their bytes. All costs are integers: the same
// choice on every machine.
TableChoice choose_tables(const TableSet& codec_tables, const SymbolSample& sample, bool allow_own);

}  // namespace nwc
