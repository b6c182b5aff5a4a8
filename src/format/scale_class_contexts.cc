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
  ScaleClassContexts(ScaleClasses classes, unsigned channels, const Trellis* trellis = nullptr, Context odd = 0)
      : StreamContexts(channels, /*shared=*/false), classes_(std::move(classes)), trellis_(trellis), odd_(odd) {}
  void of_chunk(const ChunkPlace& place, std::span<Context> contexts) const override {
    const uint64_t first_row = place.stripe * channels();
    for (unsigned c = 0; c < channels(); ++c) contexts[c] = classes_.context(place.matrix, place.column, first_row + c);
  }

  TileContexts of_tile(const LevelGroup& group, const TileSpan& span, std::vector<Context>& storage) const override {
    const size_t stride = span.chunks;
    storage.resize(channels() * stride);
    std::vector<int16_t> scratch;
    const std::span<const uint32_t> columns = group.columns;
    for (uint32_t done = 0; done < span.chunks;) {  // stripe by stripe
      const uint64_t chunk = span.first_chunk + done, stripe = chunk / columns.size(), p = chunk % columns.size();
      const uint64_t here = std::min<uint64_t>(span.chunks - done, columns.size() - p);
      classes_.contexts(group.matrix, columns.subspan(p, here), stripe * channels(), channels(), stride,
                        storage.data() + done, scratch);
      done += static_cast<uint32_t>(here);
    }
    return {storage.data(), stride, trellis_, odd_};
  }

  const ScaleClasses* scale_classes() const override { return &classes_; }
  const Trellis* trellis() const override { return trellis_; }
  Context odd() const override { return odd_; }

 private:
  ScaleClasses classes_;
  const Trellis* trellis_;
  Context odd_;
};

}  // namespace

ScaleClasses::ScaleClasses(const LineScales& lines, uint64_t columns, uint64_t rows, size_t tables, Padding padding)
    : columns_(columns),
      rows_(rows),
      last_(static_cast<int>(tables) - 1),
      padding_(padding),
      of_columns_(classes_of(lines.column_spreads, lines.column_steps)),
      of_rows_(classes_of(lines.row_spreads, lines.row_steps)) {}

void ScaleClasses::contexts(uint64_t matrix, std::span<const uint32_t> columns, uint64_t first_row, unsigned rows,
                            size_t stride, Context* numbers, std::vector<int16_t>& scratch) const {
  const size_t n = columns.size();
  scratch.resize(n);
  for (size_t i = 0; i < n; ++i) scratch[i] = of_columns_[matrix * columns_ + columns[i]];
  const int16_t* const of_columns = scratch.data();
  const auto last = static_cast<int16_t>(last_);
  for (unsigned c = 0; c < rows; ++c) {
    Context* const to = numbers + c * stride;
    const uint64_t row = first_row + c;
    if (row >= rows_ && padding_ == Padding::kFirst) {
      std::fill(to, to + n, Context{0});
      continue;
    }
    const int16_t of_row = row < rows_ ? of_rows_[matrix * rows_ + row] : int16_t{0};
    // Classes are far below 2^14, so that their sum is one of 16 bits.
    for (size_t i = 0; i < n; ++i) {
      const auto sum = static_cast<int16_t>(of_columns[i] + of_row);
      to[i] = static_cast<Context>(std::min(std::max(sum, int16_t{0}), last));
    }
  }
}

Result<std::shared_ptr<const StreamContexts>> make_scale_class_contexts(const LineScales& lines, uint64_t columns,
                                                                        uint64_t rows, const CodecShape& codec) {
  if (codec.channels != codec.chunk_length) {
    return Error(ErrorCode::kCorrupt, "stream has scale classes for a codec of " + std::to_string(codec.channels) +
                                          " latents for " + std::to_string(codec.chunk_length) + " weights")
        .at_offset(76);
  }
  return std::shared_ptr<const StreamContexts>(
      std::make_shared<ScaleClassContexts>(ScaleClasses(lines, columns, rows, codec.tables()), codec.channels));
}

Result<std::shared_ptr<const StreamContexts>> make_trellis_contexts(const LineScales& lines, uint64_t columns,
                                                                    uint64_t rows, const CodecShape& codec) {
  if (codec.trellis == nullptr)
    return Error(ErrorCode::kCorrupt, "stream follows a trellis, and its codec has none").at_offset(76);
  const size_t half = codec.tables() / 2;
  return std::shared_ptr<const StreamContexts>(
      std::make_shared<ScaleClassContexts>(ScaleClasses(lines, columns, rows, half, ScaleClasses::Padding::kFirst),
                                           codec.channels, codec.trellis, static_cast<Context>(half)));
}

}  // namespace nwc
