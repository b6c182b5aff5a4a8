// One tensor of a checkpoint to what a compressed checkpoint stores of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/safetensors_writer.h"
#include "compress/tensor_record.h"
#include "guide/guide_source.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"
#include "tensor/tensor_encoder.h"
#include "weights/selection.h"

namespace nwc {

class EncodeDevice;

struct CompressedTensor {
  EncodedTensor encoded;
  TensorRecord record;
};

// What is the same for all tensors of a run. Everything that it refers to must outlive it. Thread safety: several
// threads may compress different tensors, unless a device does the work.
class TensorCompressor {
 public:
  struct Settings {
    EncodeOptions encode;
    unsigned level = 0;       // of all columns, without Hessians
    bool has_levels = false;  // whether tensors have importance levels
    int threads = 0;
  };
  // `device`: the encoder's and the guides'; null for the cores.
  TensorCompressor(const Selection& selection, const Encoder& encoder, const GuideSource& guides,
                   const Settings& settings, EncodeDevice* device = nullptr)
      : selection_(selection), encoder_(encoder), guides_(guides), settings_(settings), device_(device) {}

  // `values` take the place of the tensor's own, in its dtype and storage order: its guide stays that of the original.
  // Errors name the tensor.
  Result<CompressedTensor> compress(const TensorView& tensor, std::span<const std::byte> values) const;
  // What a reader of the checkpoint will make of it: float32 in the tensor's storage order; `out` has as many elements
  // as the tensor.
  Status decode(const std::string& name, const EncodedTensor& encoded, std::span<float> out) const;

  // What a file stores of a tensor beside its stream, whose size is known beforehand: scales and levels.
  std::vector<PlannedTensor> side_tensors(const TensorView& tensor) const;
  int threads() const { return settings_.threads; }
  bool on_device() const { return device_ != nullptr; }
  // About how much of this machine's memory compress() takes on the cores, in bytes.
  uint64_t working_bytes(const TensorView& tensor) const;

 private:
  const Selection& selection_;
  const Encoder& encoder_;
  const GuideSource& guides_;
  Settings settings_;
  EncodeDevice* device_;
};

}  // namespace nwc
