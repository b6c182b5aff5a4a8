// What became of one tensor, however it is known: from the file, from the run that encoded it, from measuring both.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/json.h"
#include "guide/guide_source.h"
#include "nwcodec/inspect.h"
#include "nwcodec/result.h"
#include "quantise/encode_statistics.h"

namespace nwc {

// Of the JSON that `compress --json`, `inspect --json` and reports write: raised when a key changes its meaning or
// goes.
inline constexpr int kRecordSchema = 2;

struct TensorRecord : TensorReport {  // what the file says: all records have it
  // What the encoder saw.
  struct Encoding {
    EncodeStatistics statistics;
    GuideSource::Notes notes;
    double seconds = 0;  // of computing; varies from run to run
    // With recovery: the squared error of the block's output once this tensor and those before it are compressed, as a
    // share of what the block adds to its input, before and after the rest was trained.
    struct Recovery {
      double error_before = 0, error_after = 0;
    };
    std::optional<Recovery> recovery = {};
  };
  std::optional<Encoding> encoding = {};  // none where another run encoded it

  // What the decoded weights show beside the original's.
  struct Measured {
    double nmse = 0;                      // sum (decoded - original)^2 / sum original^2
    double worst_column_nmse = 0;         // the largest of a column that is not all zeros: one near 1 is lost
    std::optional<double> hessian_error;  // tr(E H E^T) / tr(W H W^T), E = decoded - original
    std::optional<double> diagonal_error_correlation;  // of log diag(H) and log 1 / column error (report/figures.h)
  };
  std::optional<Measured> measured = {};
};

// Of several tensors together.
struct CompressionTotals {
  EncodeStatistics statistics;  // of those with an encoding
  uint64_t side_bytes = 0;
};
CompressionTotals totals_of(std::span<const TensorRecord> tensors);

// One object, the same keys whatever is known; what is not is null. Numbers that are not finite are strings
// (base/json_number.h):
//   name, dtype, shape, weights; block (null outside blocks), layer (weights/tensor_name.h)
//   payload_bytes (tiles), side_bytes (all else), payload_bits_per_weight, bits_per_weight, columns_per_level,
//   own_tables, table_rule nmse: relative squared error, measured, or as the encoder saw it worst_column_nmse,
//   hessian_weighted_error, diagonal_error_correlation: of Measured squared_error, squared_weight,
//   normalised_squared_error, weighted_error, table_bits, escapes, patches, damping, unseen_matrices, seconds,
//   block_error {before_recovery, after_recovery}: of Encoding
Json to_json(const TensorRecord& record);

// The way back, for the parts of an unfinished run: all but Measured. Errors: kCorrupt.
Result<TensorRecord> tensor_record_from(const Json& json);

}  // namespace nwc
