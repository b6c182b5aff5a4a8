#include "cuda/encode/matrix_quantiser.h"
#include "cuda/encode/patches.h"

namespace nwc::cuda {

Result<std::vector<double>> quantise_small(QuantiserTask& task, const CodecOnDevice& codec, int multiprocessors,
                                           Buffers& buffers) {
  const uint32_t items = small_codec_items(task, multiprocessors);
  NWC_RETURN_IF_ERROR(at_least(buffers.sums, items * kSums * sizeof(double)));
  task.sums = as<double>(buffers.sums);
  NWC_RETURN_IF_ERROR(
      checked(quantise_small_codec(task, *codec.small, codec.small_image, multiprocessors, codec.shared_room, nullptr),
              "quantising"));
  return read_sums(buffers, items);
}

}  // namespace nwc::cuda
