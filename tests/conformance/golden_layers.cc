#include "conformance/golden_layers.h"

#include "conformance/golden_codecs.h"
#include "conformance/golden_writer.h"
#include "decode/layered_store.h"

namespace nwc::testing {
namespace {

namespace fs = std::filesystem;

uint64_t identity_in(const LayeredStore& base, const std::string& name) {
  return base.weights().at(name).last().stored->identity;
}

// All values are this.
std::vector<float> constant(size_t n, float value) { return std::vector<float>(n, value); }

}  // namespace

GoldenSummary make_layers(const fs::path& codecs, const fs::path& output) {
  Numbers numbers(10);
  const EncodeOptions coarse{.tile_chunks = 64, .rate_weight = 0.3}, fine{.tile_chunks = 64, .run_groups = 2};
  Shard base{"model.safetensors", {}, {}};
  base.compressed = {
      {"a.weight",
       DType::kF32,
       {37, 21},
       numbers.many(37 * 21, 0.03f),
       coarse,
       {},
       false,
       random_lines(1, 37, 21, numbers)},
      {"b.weight",
       DType::kBF16,
       {2, 18, 25},
       numbers.many(2 * 18 * 25, 0.03f),
       coarse,
       {},
       true,
       random_lines(2, 25, 18, numbers)},
      {"c.weight", DType::kF16, {9, 30}, numbers.many(270, 0.03f), coarse, {}, false, random_lines(1, 9, 30, numbers)},
      {"huge.weight", DType::kF32, {8, 4}, constant(32, 2e38f), coarse, {}, false, random_lines(1, 8, 4, numbers)}};
  // Rows and columns with steps for the largest numbers.
  LineScales& huge = *base.compressed.back().lines;
  for (int16_t& step : huge.column_steps) step = 8 * 125;
  for (int16_t& step : huge.row_steps) step = 0;
  base.plain = {{"norm.weight", DType::kBF16, {8}, text_of_values(DType::kBF16, numbers.many(8, 1.0f))},
                {"embed.weight", DType::kBF16, {6, 16}, text_of_values(DType::kBF16, numbers.many(96, 0.1f))}};
  GoldenSummary summary =
      write_golden(output, "layers", trellis_golden_codec(), {base}, "{\n  \"model_type\": \"llama\"\n}\n");

  const fs::path directory = output / "layers";
  const auto refine = [&](unsigned number, const EncoderCodec& codec, std::vector<Compressed> tensors) {
    const LayeredStore below = value_of(LayeredStore::open(directory, {.layers = number}));
    for (Compressed& tensor : tensors) tensor.base = identity_in(below, tensor.name);
    const Difference difference{Difference::Kind::kRefinement, below.identity(), number, ""};
    const GoldenSummary of_layer = write_golden(directory, "refinement-" + std::to_string(number), codec,
                                                {{"model.safetensors", std::move(tensors), {}}}, "", difference);
    summary.compressed += of_layer.compressed;
    summary.with_own_tables += of_layer.with_own_tables;
    summary.with_levels += of_layer.with_levels;
    summary.with_lines += of_layer.with_lines;
    summary.patches += of_layer.patches;
  };
  EncodeOptions own{.tile_chunks = 2048, .run_groups = 1, .own_tables = true};
  refine(
      1, lines_codec(),
      {{"a.weight",
        DType::kF32,
        {37, 21},
        numbers.many(37 * 21, 0.01f),
        fine,
        {},
        false,
        random_lines(1, 37, 21, numbers)},
       {"b.weight",
        DType::kBF16,
        {2, 18, 25},
        numbers.many(2 * 18 * 25, 0.01f),
        fine,
        random_levels(50, 2, numbers),
        false,
        random_lines(2, 18, 25, numbers)},
       {"c.weight", DType::kF16, {9, 30}, numbers.many(270, 0.01f), fine, {}, false, random_lines(1, 9, 30, numbers)}});
  EncodeOptions exact{.tile_chunks = 32, .run_groups = 1, .own_tables = false};
  exact.normalisation.gain = 32;
  std::vector<float> outliers = numbers.many(37 * 21, 0.002f);
  for (size_t i = 0; i < outliers.size(); i += 97) outliers[i] *= 50;
  refine(2, value_of(read_encoder_codec(codecs / "residual.safetensors")),
         {{"a.weight", DType::kF32, {37, 21}, outliers, exact, random_levels(21, 4, numbers)},
          {"b.weight", DType::kBF16, {2, 18, 25}, numbers.many(2 * 18 * 25, 0.002f), own, {}, true},
          {"huge.weight", DType::kF32, {8, 4}, constant(32, 3.3e38f), exact}});
  return summary;
}

GoldenSummary make_delta(const fs::path& codecs, const fs::path& output) {
  Numbers numbers(11);
  const EncodeOptions options{.tile_chunks = 32, .run_groups = 1, .own_tables = false};
  const LayeredStore base = value_of(LayeredStore::open(output / "layers", {.layers = 2}));
  Shard shard{"model.safetensors", {}, {}};
  // Another dtype than the base's; a difference from a tensor that is not compressed; a tensor that stands for itself
  // in the place of the base's, and one that the base has not.
  shard.compressed = {
      {"a.weight", DType::kBF16, {37, 21}, numbers.many(37 * 21, 0.01f), options},
      {"embed.weight", DType::kBF16, {6, 16}, numbers.many(96, 0.01f), options},
      {"c.weight", DType::kF16, {10, 30}, numbers.many(300, 0.03f), options},
      {"added.weight", DType::kF32, {4, 4}, numbers.many(16, 0.03f), options},
  };
  for (size_t i = 0; i < 2; ++i) shard.compressed[i].base = identity_in(base, shard.compressed[i].name);
  shard.plain = {{"norm.weight", DType::kF32, {8}, text_of_values(DType::kF32, numbers.many(8, 1.0f))}};
  const Difference difference{Difference::Kind::kDelta, base.identity(), 2, "../layers"};
  const EncoderCodec codec = value_of(read_encoder_codec(codecs / "linear.safetensors"));
  GoldenSummary summary =
      write_golden(output, "delta", codec, {shard}, "{\n  \"model_type\": \"llama\"\n}\n", difference);

  const LayeredStore delta = value_of(LayeredStore::open(output / "delta", {.layers = 1}));
  Compressed refined{"a.weight", DType::kBF16, {37, 21}, numbers.many(37 * 21, 0.001f), options};
  refined.base = identity_in(delta, refined.name);
  const Difference refinement{Difference::Kind::kRefinement, delta.identity(), 1, ""};
  (void)write_golden(output / "delta", "refinement-1", codec, {{"model.safetensors", {refined}, {}}}, "", refinement);
  return summary;
}

}  // namespace nwc::testing
