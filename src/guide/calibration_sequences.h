// The token sequences of a calibration on disk, beside its Hessians: recovery fine-tuning runs them through the model
// again and needs neither texts nor tokenizer for it.
//
// sequences.safetensors: sequences.<i>, I32 [count, length], one for each text; perhaps held_out, of the same kind:
// what the model wrote beside its own text, to be measured on and not calibrated on; in __metadata__
// "nwcodec.calibration", what they were drawn from (JSON).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "nwcodec/result.h"

namespace nwc {

struct CalibrationSequences {
  using Sequence = std::vector<int32_t>;
  std::vector<std::vector<Sequence>> texts;  // those of a text have one length
  std::vector<Sequence> held_out;
  Json calibration;
};

// The file in a directory of Hessians.
std::filesystem::path sequences_file(const std::filesystem::path& hessians);

// Errors: kNotFound with the remedy, kIo, kCorrupt.
Result<CalibrationSequences> read_sequences(const std::filesystem::path& path);
// Atomic. Errors: kIo.
Status write_sequences(const std::filesystem::path& path, const CalibrationSequences& sequences);

}  // namespace nwc
