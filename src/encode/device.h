// What a device does in place of this machine's cores while tensors are encoded: the sums of normalisation, the factors
// of Hessians, and all that happens between weights and symbols. src/encode/cuda has the one body; a null pointer to
// any of these means the cores.
//
// Everything that a device gives is what the cores give, to the bit, except symbols of codecs for which exact() is
// false: then the tensor cores compute the networks, and the distortion is the same (docs/results.md).
//
// Errors of all functions: kUnsupported and kLimit of the device, with what it was doing.
// Thread safety: one thread at a time uses a device and what came from it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "encode/block_ldl.h"
#include "encode/table_fit.h"
#include "entropy/frequency_table.h"
#include "nwcodec/result.h"

namespace nwc {

struct CodedTiles;
struct EncodeJob;
struct EncodeStatistics;
struct EncoderCodec;
struct WeightMatrix;

// A WeightMatrix's bytes in device memory.
class DeviceWeights {
 public:
  virtual ~DeviceWeights() = default;
  // Of each column (or row) of each matrix: the sum over its rows (columns), ascending, of (weight * scale)^2 in
  // binary64. `scales`: one for each row (column) of each matrix, or empty for 1.
  virtual Result<std::vector<double>> squares_of_columns(std::span<const double> row_scales) const = 0;
  virtual Result<std::vector<double>> squares_of_rows(std::span<const double> column_scales) const = 0;
};

// The coefficients of a FeedbackFactor in device memory.
class DeviceFactor {
 public:
  virtual ~DeviceFactor() = default;
};

// Stripes [first, first + count) of one matrix.
struct StripeRange {
  uint64_t matrix = 0, first = 0, count = 0;
};

// Symbols in device memory, as quantise() left them: until it is called again.
class DeviceSymbols {
 public:
  virtual ~DeviceSymbols() = default;
  // Of all symbols, [levels * channels].
  virtual Result<std::vector<Histogram>> histograms() const = 0;

  // Precondition of the rest: the ranges were all of the tensor, in order.
  // Of these tiles of the job's tiling.
  virtual Result<std::vector<Histogram>> histograms_of_tiles(std::span<const uint64_t> tiles) const = 0;
  // All tiles, with the bytes of encode_tile().
  virtual Result<CodedTiles> code(const TableSet& tables, uint16_t run_groups) const = 0;
  // The errors, and the patches; nothing else is filled in.
  virtual EncodeStatistics statistics() const = 0;
};

// A codec's transforms on a device.
class DeviceQuantiser {
 public:
  virtual ~DeviceQuantiser() = default;
  virtual bool exact() const = 0;
  // What quantise_stripes() (encode/feedback.h) makes of each range, with the guide's feedback or, if it has none,
  // without. Ranges of a matrix stand together. The job's factors must be this device's, and the job must outlive the
  // result.
  virtual Result<std::unique_ptr<const DeviceSymbols>> quantise(const EncodeJob& job,
                                                                std::span<const StripeRange> ranges) const = 0;
};

class EncodeDevice {
 public:
  virtual ~EncodeDevice() = default;
  virtual std::string name() const = 0;  // for people
  virtual Result<std::shared_ptr<const DeviceWeights>> upload(const WeightMatrix& weights) = 0;
  // As factorise() in encode/block_ldl.h, which has the rest of the errors.
  virtual Result<FeedbackFactor> factorise(std::span<const float> triangle, uint64_t columns,
                                           std::vector<uint32_t> order, const LdlOptions& options) = 0;
  // The device must outlive it.
  virtual Result<std::shared_ptr<const DeviceQuantiser>> quantiser(const EncoderCodec& codec) = 0;
};

// `device`: "cpu" (null), "cuda" or "cuda:NUMBER"; `rank`: of one of several processes, among which "cuda" deals out
// all devices. Errors: kInvalidArgument for another text; kUnsupported for a device that is not there or too old, or in
// a build without CUDA.
Result<std::unique_ptr<EncodeDevice>> open_encode_device(const std::string& device, size_t rank = 0);

}  // namespace nwc
