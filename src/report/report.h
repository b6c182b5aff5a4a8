// What compression did to each tensor of a checkpoint, measured on the finished files: tensors that an earlier run or
// another process wrote are measured like all others.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compress/compress.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "report/steps_by_sensitivity.h"

namespace nwc {

struct ReportedTensor {
  TensorRecord record;  // measured; with an encoding if the run that is reported compressed it. No `hessian_error`
                        // without a Hessian, or where no token came
  std::string type;     // the layer's name in its block, the same for all blocks and experts; for plots
  int64_t depth = -1;   // number of the block
  // Column by column, [matrices * columns].
  std::vector<float> column_error;  // squared error over squared weight; NaN for columns of zeros
  std::vector<float> diagonal;      // diag(H); empty without
  std::vector<uint8_t> levels;      // empty: all 0
  std::optional<FeltTensor> felt;   // with steps by sensitivity
};

struct CompressionReport {
  std::string version, model, model_type, codec;
  double gain = 1.0;
  std::vector<std::pair<std::string, std::string>> options;  // as given
  std::vector<ReportedTensor> tensors;                       // by block, then by name
  uint64_t weights = 0;                                      // compressed ones
  // Per compressed weight: tiles, and everything that decoding needs, codec included.
  double payload_bits = 0, bits = 0;
  double nmse = 0;
  std::optional<double> hessian_error;  // of the sums over all tensors that have one
  uint64_t plain_parameters = 0, input_bytes = 0, output_bytes = 0;
  std::vector<StageTime> stages;  // this one included, as the last
  std::vector<std::string> warnings;
};

struct ReportOptions {
  std::filesystem::path model;                               // the original, plain
  std::filesystem::path compressed;                          // made from it
  std::filesystem::path hessians;                            // those of the compression; empty: none
  std::vector<std::pair<std::string, std::string>> options;  // for the reader
  int threads = 0;                                           // never changes the measures
};

// `run` is what compress_checkpoint() said. Errors: those of reading; kMismatch naming a tensor that the two
// checkpoints do not share.
Result<CompressionReport> make_report(const ReportOptions& options, const CompressReport& run,
                                      const Progress& progress);

inline constexpr const char* kReportJson = "report.json";
inline constexpr const char* kReportHtml = "report.html";

// Both files into `directory`, which is created if need be; each appears whole or not at all, and replaces one that is
// there. Errors: kIo.
Status write_report(const CompressionReport& report, const std::filesystem::path& directory);

}  // namespace nwc
