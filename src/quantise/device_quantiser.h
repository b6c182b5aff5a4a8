// The seam of quantisation: everything between weights and tiles on a device, in place of this machine's cores.
//
// What a device gives is what the cores give, to the bit, except symbols of codecs for which exact() is false: then the
// tensor cores compute the networks, and the distortion is the same (docs/results.md).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "entropy/encode/table_fit.h"
#include "entropy/encode/tile_encoder.h"
#include "entropy/frequency_table.h"
#include "nwcodec/result.h"
#include "quantise/encode_statistics.h"
#include "quantise/quantiser.h"

namespace nwc {

struct EncodeJob;

// Symbols in device memory, as quantise() left them: until it is called again.
class DeviceSymbols {
 public:
  virtual ~DeviceSymbols() = default;
  // Of all symbols, by context.
  virtual Result<std::vector<Histogram>> histograms() const = 0;

  // Precondition of the rest: the ranges were all of the tensor, in order.
  // Of these tiles of the job's tiling.
  virtual Result<std::vector<Histogram>> histograms_of_tiles(std::span<const uint64_t> tiles) const = 0;
  // All tiles, with the bytes of encode_tile().
  virtual Result<CodedTiles> code(const TableSet& tables, uint16_t run_groups) const = 0;
  // The errors, and the patches; nothing else is filled in.
  virtual EncodeStatistics statistics() const = 0;
};

// A codec's transforms on a device. Errors: kUnsupported and kLimit of the device. Thread safety: one thread at a time.
class DeviceQuantiser {
 public:
  virtual ~DeviceQuantiser() = default;
  virtual bool exact() const = 0;
  // What quantise_stripes() (quantise/feedback.h) makes of each range, with the guide's feedback or, if it has none,
  // without. `along_rows`: if the guide has feedback along rows, that of quantise_two_sided(), too; the ranges are then
  // all of the tensor, in order. Ranges of a matrix stand together. The job's device weights, if it has them, and its
  // factors must be this device's (weights that it has not are copied to it), and the job must outlive the result.
  // Errors: also kInternal for factors in this machine's memory.
  virtual Result<std::unique_ptr<const DeviceSymbols>> quantise(const EncodeJob& job,
                                                                std::span<const StripeRange> ranges,
                                                                bool along_rows) const = 0;
};

}  // namespace nwc
