// A complete codec as `nwcodec train` writes it: both transforms, tables, density, and what is known of its quality.
//
// The file is a superset of a checkpoint's codec.safetensors: the tensors of docs/format.md, section 3, plus
//   g_a.*                     the analysis transform, in the layout of g_s
//   density.<i>.{matrix,bias,factor}  F32 [sets, latents, outputs, inputs or 1]: the entropy model; sets is 1 (shared
//   by the
//                             levels) or the number of levels; kept for fine-tuning
//   quality.nmse              F32 [levels]: mean squared error of normalised validation weights
// Readers of compressed checkpoints never need these.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "codec/codec_file.h"
#include "format/rule_table.h"
#include "nwcodec/result.h"
#include "transform/transform.h"

namespace nwc {

struct DensityWeights {
  struct Layer {
    uint64_t outputs = 0, inputs = 0;
    std::vector<float> matrix, bias,
        factor;  // [sets, latents, outputs, inputs], [sets, latents, outputs, 1] twice; last layer: no factor
  };
  uint64_t sets = 0, latents = 0;
  std::vector<Layer> layers;
};

struct EncoderCodec {
  DecoderCodec decoder;
  TransformWeights analysis;
  DensityWeights density;
  std::vector<float> nmse;                            // [levels]
  std::map<std::string, std::string> metadata;        // provenance: "nwcodec.lambda", "nwcodec.recipe", ...
  ContextRule by_lines = ContextRule::kScaleClasses;  // of tensors with line scales; not in the file
};

// Errors name file and tensor.
Result<EncoderCodec> read_encoder_codec(const std::filesystem::path& path);
Status write_encoder_codec(const std::filesystem::path& path, const EncoderCodec& codec);

}  // namespace nwc
