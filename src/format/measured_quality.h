// What was measured of a compressed checkpoint when it was made: `measured` in the quantization_config of its
// config.json (docs/format.md, section 2). No decoder needs it; decompression drops it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "nwcodec/result.h"

namespace nwc {

struct MeasuredQuality {
  // Of a progressive checkpoint these are its base's; those with refinements are in `refined`.
  double kl_divergence = 0;  // from the original, nats per token
  double perplexity = 0, reference_perplexity = 0;
  double top1_agreement = 0;
  int64_t windows = 0, context = 0;  // of the texts' tokens that calibration did not see
  struct Text {
    std::string name;                   // of the file
    std::optional<uint64_t> hash = {};  // XXH3 of its bytes
  };
  std::vector<Text> texts;
  std::string command;  // that made the checkpoint, as far as it decides about its bytes
  struct Refined {
    double kl_divergence = 0, perplexity = 0, top1_agreement = 0;
  };
  std::vector<Refined> refined;  // with one refinement, with two, ...

  // What was measured of so many layers, from 1 on, without `refined`; none where they were not measured.
  std::optional<MeasuredQuality> of_layers(size_t layers) const;
};

// Numbers are rounded to five digits. Does nothing if the directory has no config.json with our quantization_config.
// Errors: kIo, kCorrupt.
Status write_measured_quality(const std::filesystem::path& directory, const MeasuredQuality& quality);

// None where nothing was measured. Errors: kIo; kCorrupt for an entry that is not of this form.
Result<std::optional<MeasuredQuality>> read_measured_quality(const std::filesystem::path& directory);

}  // namespace nwc
