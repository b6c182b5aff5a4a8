// `nwcodec inspect`: what a compressed checkpoint consists of, counted from the files on disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "nwcodec/dtype.h"
#include "nwcodec/result.h"
#include "nwcodec/weights.h"

namespace nwc {

// One compressed tensor, in all layers that are read.
struct TensorReport {
  std::string name;
  DType dtype;                  // of the original
  std::vector<uint64_t> shape;  // of the original
  uint64_t weights = 0;
  std::vector<uint64_t> columns_per_level;  // one entry per importance level
  uint64_t payload_bytes = 0;               // tiles
  uint64_t side_bytes = 0;                  // stream header, tile index, own tables, scales, levels
  bool own_tables = false;
  unsigned table_rule = 0;  // which tables code its symbols (docs/format.md, section 4), in the last of its layers

  double payload_bits_per_weight() const {
    return weights == 0 ? 0.0 : 8.0 * static_cast<double>(payload_bytes) / static_cast<double>(weights);
  }
  double bits_per_weight() const {
    return weights == 0 ? 0.0 : 8.0 * static_cast<double>(payload_bytes + side_bytes) / static_cast<double>(weights);
  }
};

// One layer of a progressive checkpoint, or of a delta, whose base's layers are not counted.
struct LayerReport {
  std::string folder;  // "" for the directory's own files, else the refinement's folder in it
  std::string codec_id;
  uint64_t tensors = 0;  // compressed ones
  uint64_t payload_bytes = 0, side_bytes = 0, codec_bytes = 0;
  uint64_t file_bytes = 0;  // its weight files and its codec
};

struct CheckpointReport {
  std::vector<TensorReport> tensors;                                  // compressed ones, by name
  std::string codec_id;                                               // of the first layer
  std::vector<LayerReport> layers;                                    // one for a checkpoint without refinements
  std::string base;                                                   // of a delta: the directory of its base
  uint64_t unchanged_tensors = 0, unchanged_parameters = 0;           // of a delta: those that are the base's
  uint64_t weights = 0, payload_bytes = 0, side_bytes = 0;            // sums over `tensors`
  uint64_t codec_bytes = 0;                                           // codec.safetensors of all layers
  uint64_t plain_tensors = 0, plain_parameters = 0, plain_bytes = 0;  // stored as they are
  uint64_t file_bytes = 0;            // all weight files and the codec, headers and checksums included
  uint64_t original_bytes = 0;        // tensor data of the original checkpoint
  std::vector<std::string> warnings;  // files that are there and not read, as Weights::warnings()

  double payload_bits_per_weight() const { return per_weight(payload_bytes); }
  // With everything that decoding needs: side information and the codec.
  double bits_per_weight() const { return per_weight(payload_bytes + side_bytes + codec_bytes); }
  // Of the files, with everything in them, over all parameters of the model.
  double bits_per_parameter() const {
    const uint64_t parameters = weights + plain_parameters + unchanged_parameters;
    return 8.0 * static_cast<double>(file_bytes) / static_cast<double>(parameters > 0 ? parameters : 1);
  }

 private:
  double per_weight(uint64_t bytes) const {
    return weights == 0 ? 0.0 : 8.0 * static_cast<double>(bytes) / static_cast<double>(weights);
  }
};

// `verify` also checks the checksum of every byte, of a delta's base too. Bytes are those of `directory`, in as many of
// its layers as `options` say. Errors: those of opening a checkpoint; kInvalidArgument for one that is not compressed.
Result<CheckpointReport> inspect_checkpoint(const std::filesystem::path& directory, bool verify,
                                            const WeightsOptions& options = {});

}  // namespace nwc
