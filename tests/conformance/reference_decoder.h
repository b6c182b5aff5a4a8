// The second decoder of the nwcodec format, written from docs/format.md alone: plain, slow, and sharing no code with
// the library, so that the two can only agree if the page is right. For tests. It reads whole files into memory and
// throws an exception derived from std::exception at the first thing that the page says must hold and does not.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace nwc::reference {

struct Tensor {
  std::string dtype;            // of the original, as safetensors spells it
  std::vector<uint64_t> shape;  // of the original
  std::string bytes;            // row-major, in `dtype`
  bool compressed = false;
  std::vector<float> values;  // of a compressed tensor: the weights before they are converted to `dtype`
  // Section 9; once layers are summed, of the last one.
  bool is_difference = false, is_sum = false;
  uint64_t base = 0, identity = 0;
};

// All tensors of a compressed checkpoint directory, by their original names. `layers`: how many of its own; 0 for all
// that are there. `base`: a delta's; empty: where it says.
std::map<std::string, Tensor> decode_checkpoint(const std::filesystem::path& directory, unsigned layers = 0,
                                                const std::filesystem::path& base = {});

// Section 6: binary32 weights to "F32", "F16" or "BF16".
std::string convert(const std::vector<float>& values, const std::string& dtype);

}  // namespace nwc::reference
