// What config.json says about numbers that are stored in another format than the model computes with.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "checkpoint/quantised/stored_format.h"
#include "nwcodec/dtype.h"
#include "nwcodec/result.h"

namespace nwc {

struct QuantisationConfig {
  std::string method = {};              // `quant_method` in lower case; "mlx" for MLX's `quantization`; empty if none
  std::optional<BlockSize> block = {};  // `weight_block_size`
  DType dtype = DType::kBF16;           // what weights are decoded to: `dtype`, or BF16 where that is none of ours

  // Nothing of it if there is no config.json, or one that cannot be read: others refuse that. Errors: kCorrupt for a
  // block size that is none.
  static Result<QuantisationConfig> read(const std::filesystem::path& directory);
};

}  // namespace nwc
