#include <string>

#include "format/context_rule.h"

namespace nwc {
namespace {

std::vector<int16_t> classes_of(std::span<const int16_t> spreads, std::span<const int16_t> steps) {
  std::vector<int16_t> classes;
  for (size_t i = 0; i < spreads.size(); ++i) classes.push_back(static_cast<int16_t>(line_class(spreads[i], steps[i])));
  return classes;
}

class ScaleClassContexts final : public StreamContexts {
 public:
  ScaleClassContexts(ScaleClasses classes, unsigned channels)
      : StreamContexts(channels, /*shared=*/false), classes_(std::move(classes)) {}
  void of_chunk(const ChunkPlace& place, std::span<Context> contexts) const override {
    const uint64_t first_row = place.stripe * channels();
    for (unsigned c = 0; c < channels(); ++c) contexts[c] = classes_.context(place.matrix, place.column, first_row + c);
  }

  const ScaleClasses* scale_classes() const override { return &classes_; }

 private:
  ScaleClasses classes_;
};

}  // namespace

ScaleClasses::ScaleClasses(const LineScales& lines, uint64_t columns, uint64_t rows, size_t tables)
    : columns_(columns),
      rows_(rows),
      last_(static_cast<int>(tables) - 1),
      of_columns_(classes_of(lines.column_spreads, lines.column_steps)),
      of_rows_(classes_of(lines.row_spreads, lines.row_steps)) {}

Result<std::shared_ptr<const StreamContexts>> make_scale_class_contexts(ScaleClasses classes, const CodecShape& codec) {
  if (codec.channels != codec.chunk_length) {
    return Error(ErrorCode::kCorrupt, "stream has scale classes for a codec of " + std::to_string(codec.channels) +
                                          " latents for " + std::to_string(codec.chunk_length) + " weights")
        .at_offset(76);
  }
  return std::shared_ptr<const StreamContexts>(
      std::make_shared<ScaleClassContexts>(std::move(classes), codec.channels));
}

}  // namespace nwc
