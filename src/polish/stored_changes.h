// What polishing changes of a compressed checkpoint's files, and the directory written with it. Symbols stay as they
// are: every tile is copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "decode/weight_store.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

// Of a tensor with line scales: added to the steps of its lines, in units of 2^-bits of a step.
struct LineCorrections {
  uint8_t bits = 0;                    // 1 to kMaxCorrectionBits, and no fewer than the stream has already
  std::vector<int16_t> columns, rows;  // [matrices * columns], [matrices * rows]; empty: all 0
};

struct StoredChanges {
  std::map<std::string, LineCorrections> corrections;    // by the name of a compressed tensor
  std::map<std::string, std::vector<std::byte>> scales;  // likewise: its scales tensor, without line scales
  std::map<std::string, std::vector<std::byte>> plain;   // by the name of a tensor that is not compressed
};

// The stream with changed numbers in its head. `scales`: the scales tensor beside it, as it will be. Errors: kCorrupt;
// kLimit for a correction out of range.
Result<std::vector<std::byte>> changed_stream(std::span<const std::byte> stream, const LineCorrections* corrections,
                                              std::span<const std::byte> scales, const Codec& codec);

// How many bytes the changes add to the streams of the checkpoint.
Result<int64_t> added_bytes(const WeightStore& compressed, const StoredChanges& changes);

// All weight files, index, codec, config.json and side files. Each tensor is compared with its checksum first. Without
// changes the weight files are the same, byte for byte. Returns lines about files that are not copied. Errors:
// kCorrupt, kIo, kInterrupted.
Result<std::vector<std::string>> write_changed(const WeightStore& compressed, const StoredChanges& changes,
                                               const std::filesystem::path& output, const Progress& progress);

}  // namespace nwc
