#include "format/context_rule.h"

namespace nwc {
namespace {

class LevelChannelContexts final : public StreamContexts {
 public:
  explicit LevelChannelContexts(unsigned channels) : StreamContexts(channels, /*shared=*/true) {}
  void of_chunk(const ChunkPlace& place, std::span<Context> contexts) const override {
    for (unsigned c = 0; c < channels(); ++c) contexts[c] = level_channel_context(place.level, channels(), c);
  }
};

}  // namespace

Result<std::shared_ptr<const StreamContexts>> make_level_channel_contexts(const LineScales& /*lines*/,
                                                                          uint64_t /*columns*/, uint64_t /*rows*/,
                                                                          const CodecShape& codec) {
  return std::shared_ptr<const StreamContexts>(std::make_shared<const LevelChannelContexts>(codec.channels));
}

}  // namespace nwc
