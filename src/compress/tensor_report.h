// What compressing one tensor came to.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "guide/guide_source.h"
#include "nwcodec/result.h"
#include "tensor/tensor_encoder.h"

namespace nwc {

struct CompressedTensorReport {
  std::string name;
  std::vector<uint64_t> shape;
  EncodeStatistics statistics;
  uint64_t stream_bytes = 0, side_bytes = 0;  // stream; scales and levels
  std::vector<uint64_t> columns_per_level;
  GuideSource::Notes notes;
  double seconds = 0;  // of computing; varies from run to run
  // With recovery: the squared error of the block's output once this tensor and those before it are compressed, as a
  // share of what the block adds to its input, before and after the rest was trained.
  struct Recovery {
    double error_before = 0, error_after = 0;
  };
  std::optional<Recovery> recovery = {};
};

// Of several tensors together.
struct CompressionTotals {
  EncodeStatistics statistics;
  uint64_t stream_bytes = 0, side_bytes = 0;
};
CompressionTotals totals_of(std::span<const CompressedTensorReport> tensors);

// Every field, as parts of an unfinished run keep them. Errors: kCorrupt.
Json to_json(const CompressedTensorReport& report);
Result<CompressedTensorReport> tensor_report_from(const Json& json);

}  // namespace nwc
