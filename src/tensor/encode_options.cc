#include "tensor/encode_options.h"

#include <string>
#include <utility>

#include "codec/encode/trellis_codes.h"
#include "nwcodec/limits.h"

namespace nwc {

Status check_options(const EncodeOptions& options) {
  const auto invalid = [](std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); };
  if (options.tile_chunks == 0 || options.tile_chunks > limits::kMaxTileChunks ||
      options.tile_chunks % limits::kLanes != 0) {
    return invalid("chunks per tile must be a multiple of " + std::to_string(limits::kLanes) + ", at most " +
                   std::to_string(limits::kMaxTileChunks));
  }
  if (options.run_groups == 0 || options.run_groups > limits::kMaxTileChunks / limits::kLanes) {
    return invalid("groups per run must be 1 to " + std::to_string(limits::kMaxTileChunks / limits::kLanes));
  }
  if (options.trellis_states != 0 && !has_trellis(options.trellis_states))
    return invalid("there is no trellis of " + std::to_string(options.trellis_states) + " states");
  if (!(options.normalisation.gain >= 1.0 / 64 && options.normalisation.gain <= 64))
    return invalid("gain must lie between 1/64 and 64");
  return {};
}

}  // namespace nwc
