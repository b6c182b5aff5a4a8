// A device that encodes tensors in place of this machine's cores: the seams of its stages (weights/device_weights.h,
// guide/factoriser.h, quantise/device_quantiser.h) together. src/cuda/encode has the one body; a null pointer to any of
// these means the cores.
//
// Errors of all functions: kUnsupported and kLimit of the device, with what it was doing.
// Thread safety: one thread at a time uses a device and what came from it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "guide/factoriser.h"
#include "nwcodec/result.h"
#include "quantise/device_quantiser.h"
#include "weights/device_weights.h"

namespace nwc {

struct EncoderCodec;
struct WeightMatrix;

class EncodeDevice : public Factoriser {
 public:
  virtual std::string name() const = 0;  // for people
  virtual Result<std::shared_ptr<const DeviceWeights>> upload(const WeightMatrix& weights) = 0;
  // The device must outlive it.
  virtual Result<std::shared_ptr<const DeviceQuantiser>> quantiser(const EncoderCodec& codec) = 0;
};

// `device`: "cpu" (null), "cuda" or "cuda:NUMBER"; `local_rank`: of one of several processes on a machine, among which
// "cuda" deals out all its devices. Errors: kInvalidArgument for another text; kUnsupported for a device that is not
// there or too old, or in a build without CUDA.
Result<std::unique_ptr<EncodeDevice>> open_encode_device(const std::string& device, size_t local_rank = 0);

}  // namespace nwc
