// A tensor's symbols in device memory: counted, and coded into tiles.
#pragma once

#include <vector>

#include "cuda/encode/buffers.h"
#include "cuda/encode/kernels.h"
#include "tensor/device.h"
#include "tensor/tensor_encoder.h"

namespace nwc::cuda {

// What quantise() found beside the symbols, which are in buffers.symbols: [slots][latents][columns], the ranges'
// stripes one after another.
struct Quantised {
  struct Part {  // of one matrix
    uint64_t matrix = 0;
    std::vector<uint32_t> stripes;
    LineClasses classes = {};  // no columns: contexts by level and channel
  };
  std::vector<Part> parts;
  std::vector<FoundPatch> patches;  // by slot, column and row; `stripe` is the slot
  EncodeStatistics statistics;
};

// Refers to the job and the buffers.
class CudaSymbols : public DeviceSymbols {
 public:
  CudaSymbols(const EncodeJob& job, Buffers& buffers, Quantised quantised);

  Result<std::vector<Histogram>> histograms() const override;
  Result<std::vector<Histogram>> histograms_of_tiles(std::span<const uint64_t> tiles) const override;
  Result<CodedTiles> code(const TableSet& tables, uint16_t run_groups) const override;
  EncodeStatistics statistics() const override { return quantised_.statistics; }

 private:
  // Runs `count`, which adds to what it is given, until its list of far symbols is long enough.
  template <class Count>
  Result<std::vector<Histogram>> counted(const Count& count) const;
  Result<SymbolsView> describe() const;
  // What stands behind each tile's words.
  std::vector<std::vector<std::byte>> side_data(std::vector<FoundEscape> escapes) const;

  const EncodeJob& job_;
  Buffers& buffers_;
  Quantised quantised_;
  unsigned levels_;
};

}  // namespace nwc::cuda
