#include "conformance/golden_maker.h"

#include <algorithm>

#include "codec/encode/encoder_codec.h"
#include "conformance/golden_codecs.h"
#include "conformance/golden_layers.h"
#include "conformance/golden_writer.h"

namespace nwc::testing {
namespace {

namespace fs = std::filesystem;

// Gaussian weights with one column of zeros, one of a constant, and one that is zero but for a single weight.
std::vector<float> odd_columns(uint64_t rows, uint64_t columns, Numbers& numbers) {
  std::vector<float> values = numbers.many(rows * columns, 0.02f);
  for (uint64_t r = 0; r < rows; ++r) {
    values[r * columns] = 0;
    values[r * columns + 2] = -0.375f;
    values[r * columns + 5] = r == 3 ? 1.0f : 0.0f;
  }
  return values;
}

// Every weight is one of three values: nothing that a codec's own tables expect.
std::vector<float> three_values(size_t n, Numbers& numbers) {
  std::vector<float> values(n);
  for (float& v : values) v = 0.125f * (static_cast<float>(numbers.below(3)) - 1);
  return values;
}

// A linear transform; tiles of 32 chunks; the dtypes; shapes that fit nothing; plain tensors of many kinds.
GoldenSummary make_linear(const fs::path& codecs, const fs::path& output) {
  Numbers numbers(1);
  const EncodeOptions small{.tile_chunks = 32, .run_groups = 1, .own_tables = false};
  EncodeOptions fine = small;
  fine.normalisation.gain = 16;
  Shard shard{"model.safetensors", {}, {}};
  shard.compressed = {{"f32.weight", DType::kF32, {48, 22}, odd_columns(48, 22, numbers), small},
                      {"ragged.weight", DType::kBF16, {37, 21}, numbers.many(37 * 21, 0.02f), small},
                      {"row.weight", DType::kBF16, {1, 70}, numbers.many(70, 1.0f), small},
                      {"column.weight", DType::kF16, {50, 1}, numbers.many(50, 0.001f), small},
                      {"one.weight", DType::kF16, {1, 1}, {-2.5f}, small},
                      {"escapes.weight", DType::kF32, {32, 17}, numbers.many(32 * 17, 3.0f), fine}};
  shard.plain = {{"norm.weight", DType::kBF16, {8}, text_of_values(DType::kBF16, numbers.many(8, 1.0f))},
                 {"scalar", DType::kI64, {}, std::string("\x2A\0\0\0\0\0\0\0", 8)},
                 {"nothing", DType::kU8, {0}, ""},
                 {"nowhere", DType::kF32, {4, 0, 3}, ""},
                 {"fp8", DType::kF8E4M3, {3}, "\x7F\x01\xFF"}};
  return write_golden(output, "linear", value_of(read_encoder_codec(codecs / "linear.safetensors")), {shard},
                      "{\n  \"model_type\": \"llama\",\n  \"hidden_size\": 22\n}\n");
}

// A residual transform; tiles of several runs; own tables, levels, batches, patches, tensors without elements.
GoldenSummary make_residual(const fs::path& codecs, const fs::path& output) {
  Numbers numbers(2);
  const EncodeOptions own{.tile_chunks = 96, .run_groups = 2, .own_tables = true};
  EncodeOptions loud = own;
  loud.normalisation.gain = 32;
  std::vector<float> outliers = numbers.many(64 * 20, 0.02f);
  for (size_t i = 0; i < outliers.size(); i += 97) outliers[i] *= 50;
  Shard shard{"model.safetensors", {}, {}};
  shard.compressed = {
      {"own_tables.weight", DType::kBF16, {160, 96}, three_values(160 * 96, numbers), own},
      {"outliers.weight", DType::kF32, {64, 20}, outliers, loud},
      {"levels.weight", DType::kF16, {40, 50}, numbers.many(40 * 50, 0.02f), own, random_levels(50, 4, numbers)},
      {"batch.weight", DType::kBF16, {3, 20, 18}, numbers.many(3 * 20 * 18, 0.02f), own, random_levels(54, 4, numbers)},
      {"no_rows.weight", DType::kF32, {0, 16}, {}, own},
      {"no_columns.weight", DType::kF16, {16, 0}, {}, own},
      {"no_matrices.weight", DType::kBF16, {0, 4, 4}, {}, own}};
  return write_golden(output, "residual", value_of(read_encoder_codec(codecs / "residual.safetensors")), {shard},
                      "{\n  \"model_type\": \"mixtral\"\n}\n");
}

// Two levels, one bit each; transposed experts; shards with an index; an earlier quantization_config.
GoldenSummary make_sharded(const fs::path& codecs, const fs::path& output) {
  Numbers numbers(3);
  const EncodeOptions options{.tile_chunks = 64, .run_groups = 1, .own_tables = true};
  Shard first{"model-00001-of-00002.safetensors", {}, {}}, second{"model-00002-of-00002.safetensors", {}, {}};
  first.compressed = {{"experts.down_proj",
                       DType::kBF16,
                       {2, 18, 25},
                       numbers.many(2 * 18 * 25, 0.02f),
                       options,
                       random_levels(36, 2, numbers),
                       true},
                      {"flat.weight", DType::kF16, {30, 12}, numbers.many(30 * 12, 0.02f), options, {}, true}};
  second.compressed = {
      {"all_high.weight", DType::kF32, {24, 9}, numbers.many(24 * 9, 0.02f), options, std::vector<uint8_t>(9, 1)},
      {"experts.up_proj", DType::kF32, {2, 18, 25}, numbers.many(2 * 18 * 25, 0.02f), options, {}, true}};
  second.plain = {{"norm.weight", DType::kF32, {5}, text_of_values(DType::kF32, numbers.many(5, 1.0f))}};
  return write_golden(
      output, "sharded", value_of(read_encoder_codec(codecs / "two_levels.safetensors")), {first, second},
      "{\n  \"model_type\": \"gpt_oss\",\n  \"quantization_config\": {\n    \"quant_method\": \"mxfp4\"\n  }\n}\n");
}

GoldenSummary make_blocks(const fs::path& output) {
  Numbers numbers(4);
  const EncodeOptions options{.tile_chunks = 64, .run_groups = 2048, .own_tables = false};
  EncodeOptions shifted{.tile_chunks = 32, .run_groups = 1, .own_tables = true};
  shifted.normalisation.gain = 64;
  Shard shard{"model.safetensors", {}, {}};
  shard.compressed = {
      {"levels.weight", DType::kF32, {40, 60}, numbers.many(40 * 60, 0.02f), options, random_levels(60, 5, numbers)},
      {"wide_tables.weight",
       DType::kF16,
       {96, 40},
       numbers.many(96 * 40, 0.02f),
       shifted,
       random_levels(40, 2, numbers)},
      {"top.weight", DType::kBF16, {3, 7}, numbers.many(21, 0.02f), options, std::vector<uint8_t>(7, 4)}};
  return write_golden(output, "blocks", blocks_codec(), {shard}, "{}\n");
}

// Table rule 1: shapes that fit nothing, batches, transposed, levels, own tables, numbers of lines that are escapes,
// more lines than a tile of them holds, tensors without elements.
GoldenSummary make_lines(const fs::path& output) {
  Numbers numbers(8);
  const EncodeOptions options{.tile_chunks = 64, .run_groups = 2, .own_tables = false};
  EncodeOptions fine = options;
  fine.normalisation.gain = 8;
  EncodeOptions own{.tile_chunks = 2048, .run_groups = 1, .own_tables = true};
  LineScales far = random_lines(1, 37, 21, numbers);
  far.column_steps[4] = static_cast<int16_t>(far.column_steps[4] - 400);
  far.column_spreads[4] = static_cast<int16_t>(far.column_spreads[4] - 200);
  far.row_spreads[9] = 300;
  Shard shard{"model.safetensors", {}, {}};
  shard.compressed = {
      {"lines.weight", DType::kF32, {37, 21}, numbers.many(37 * 21, 0.03f), options, {}, false, far},
      {"batch.weight",
       DType::kBF16,
       {2, 18, 25},
       numbers.many(2 * 18 * 25, 0.03f),
       fine,
       random_levels(36, 2, numbers),
       true,
       random_lines(2, 25, 18, numbers)},
      {"own.weight",
       DType::kF16,
       {300, 80},
       three_values(300 * 80, numbers),
       own,
       {},
       false,
       random_lines(1, 300, 80, numbers)},
      {"long.weight",
       DType::kF16,
       {9000, 1},
       numbers.many(9000, 0.03f),
       options,
       {},
       false,
       random_lines(1, 9000, 1, numbers)},
      {"one.weight", DType::kF32, {1, 1}, {-2.5f}, options, {}, false, random_lines(1, 1, 1, numbers)},
      {"no_rows.weight", DType::kF32, {0, 16}, {}, options, {}, false, random_lines(1, 0, 16, numbers)},
      {"no_matrices.weight", DType::kBF16, {0, 4, 4}, {}, options, {}, false, random_lines(0, 4, 4, numbers)}};
  return write_golden(output, "lines", lines_codec(), {shard}, "{}\n");
}

// Table rule 2: as above, as far as it allows that.
GoldenSummary make_trellis(const fs::path& output) {
  Numbers numbers(9);
  const EncodeOptions options{.tile_chunks = 64, .rate_weight = 0.3};
  EncodeOptions fine = options;
  fine.normalisation.gain = 8;
  fine.rate_weight = 0;
  LineScales far = random_lines(1, 37, 21, numbers);
  far.column_steps[4] = static_cast<int16_t>(far.column_steps[4] - 100);
  far.column_spreads[4] = static_cast<int16_t>(far.column_spreads[4] - 50);
  Shard shard{"model.safetensors", {}, {}};
  const auto add = [&](const char* name, DType dtype, std::vector<uint64_t> shape, const EncodeOptions& how,
                       bool transposed, LineScales lines) {
    size_t count = 1;
    for (const uint64_t n : shape) count *= n;
    shard.compressed.push_back(
        {name, dtype, std::move(shape), numbers.many(count, 0.03f), how, {}, transposed, std::move(lines)});
  };
  add("paths.weight", DType::kF32, {37, 21}, options, false, far);
  add("batch.weight", DType::kBF16, {2, 18, 25}, fine, true, random_lines(2, 25, 18, numbers));
  add("long.weight", DType::kF16, {300, 70}, options, false, random_lines(1, 300, 70, numbers));
  add("one.weight", DType::kF32, {1, 1}, options, false, random_lines(1, 1, 1, numbers));
  add("no_rows.weight", DType::kF32, {0, 16}, options, false, random_lines(1, 0, 16, numbers));
  return write_golden(output, "trellis", trellis_golden_codec(), {shard}, "{}\n");
}

// Line scales with corrections of each fineness, under both table rules that have them; numbers that are escapes.
LineScales corrected_lines(uint8_t bits, uint64_t matrices, uint64_t rows, uint64_t columns, Numbers& numbers) {
  LineScales lines = random_lines(matrices, rows, columns, numbers);
  lines.correction_bits = bits;
  const auto correction = [&] { return static_cast<int16_t>(static_cast<int>(numbers.below(17)) - 8); };
  for (size_t j = 0; j < lines.column_steps.size(); ++j) lines.column_corrections.push_back(correction());
  for (size_t i = 0; i < lines.row_steps.size(); ++i) lines.row_corrections.push_back(correction());
  return lines;
}

GoldenSummary make_corrections(const fs::path& output) {
  Numbers numbers(10);
  const EncodeOptions options{.tile_chunks = 64, .rate_weight = 0.3};
  LineScales far = corrected_lines(3, 1, 37, 21, numbers);
  far.column_corrections[4] = 700;
  far.row_corrections[36] = -900;
  Shard shard{"model.safetensors", {}, {}};
  shard.compressed = {
      {"eighths.weight", DType::kF32, {37, 21}, numbers.many(37 * 21, 0.03f), options, {}, false, far},
      {"quarters.weight",
       DType::kBF16,
       {2, 18, 25},
       numbers.many(2 * 18 * 25, 0.03f),
       options,
       {},
       true,
       corrected_lines(2, 2, 25, 18, numbers)},
      {"halves.weight",
       DType::kF16,
       {40, 33},
       numbers.many(40 * 33, 0.03f),
       options,
       {},
       false,
       corrected_lines(1, 1, 40, 33, numbers)},
      {"none.weight",
       DType::kF32,
       {20, 9},
       numbers.many(180, 0.03f),
       options,
       {},
       false,
       random_lines(1, 20, 9, numbers)},
      {"no_rows.weight", DType::kF32, {0, 16}, {}, options, {}, false, corrected_lines(3, 1, 0, 16, numbers)}};
  return write_golden(output, "corrections", trellis_golden_codec(), {shard}, "{}\n");
}

GoldenSummary make_minimal(const fs::path& output) {
  Numbers numbers(5);
  const EncodeOptions options{.tile_chunks = 64, .run_groups = 1, .own_tables = false};
  // Columns from subnormal to nearly the largest number.
  std::vector<float> extremes = numbers.many(20 * 6, 1.0f);
  const float sizes[] = {1e-42f, 1e-30f, 1e-3f, 60000.0f, 1e30f, 8e37f};
  for (size_t i = 0; i < extremes.size(); ++i) extremes[i] *= sizes[i % 6];
  Shard shard{"model.safetensors", {}, {}};
  shard.compressed = {{"extremes.weight", DType::kF32, {20, 6}, extremes, options},
                      {"tiny.weight", DType::kF32, {20, 2}, numbers.many(40, 1e-41f), options},
                      {"huge.weight", DType::kBF16, {20, 2}, numbers.many(40, 8e37f), options},
                      {"plain_size.weight", DType::kF16, {70, 3}, numbers.many(210, 1.0f), options}};
  return write_golden(output, "minimal", minimal_codec(), {shard}, "");
}

GoldenSummary make_overflow(const fs::path& output) {
  Numbers numbers(6);
  const EncodeOptions options{.tile_chunks = 32, .run_groups = 1, .own_tables = false};
  Shard shard{"model.safetensors", {}, {}};
  shard.compressed = {
      {"patched.weight", DType::kF32, {10, 12}, odd_columns(10, 12, numbers), options, random_levels(12, 2, numbers)},
      {"untouched.weight", DType::kF16, {10, 12}, numbers.many(120, 1.0f), options}};
  return write_golden(output, "overflow", overflow_codec(), {shard}, "{\n  \"model_type\": \"llama\"\n}\n");
}

// Every way to normalise; rows of zeros and of very different sizes; slices begin inside a stripe of rows.
GoldenSummary make_rows(const fs::path& codecs, const fs::path& output) {
  Numbers numbers(7);
  std::vector<float> uneven = numbers.many(37 * 20, 0.02f);
  for (size_t i = 0; i < uneven.size(); ++i) {
    const size_t row = i / 20, column = i % 20;
    uneven[i] *= row == 5 ? 0.0f : row % 7 == 0 ? 30.0f : row == 9 ? 1e-6f : 1.0f;
    uneven[i] *= column == 4 ? 0.0f : column % 6 == 0 ? 0.1f : 1.0f;
  }
  const auto with = [](Normalisation kind, double gain) {
    return EncodeOptions{.tile_chunks = 32, .run_groups = 1, .own_tables = false, .normalisation = {kind, gain, 0.03}};
  };
  Shard shard{"model.safetensors", {}, {}};
  shard.compressed = {
      {"both.weight", DType::kF32, {37, 20}, uneven, with(Normalisation::kBoth, 1.0), random_levels(20, 4, numbers)},
      {"row.weight", DType::kBF16, {37, 20}, uneven, with(Normalisation::kRow, 2.0)},
      {"tensor.weight", DType::kF16, {37, 20}, uneven, with(Normalisation::kTensor, 1.0)},
      {"model.weight", DType::kF32, {37, 20}, uneven, with(Normalisation::kModel, 1.0)},
      {"batch.weight",
       DType::kBF16,
       {2, 18, 25},
       numbers.many(2 * 18 * 25, 0.02f),
       with(Normalisation::kBoth, 1.0),
       random_levels(36, 4, numbers),
       true},
      {"row_batch.weight", DType::kF32, {3, 5, 9}, numbers.many(3 * 5 * 9, 0.02f), with(Normalisation::kRow, 1.0)},
      {"no_rows.weight", DType::kF32, {0, 16}, {}, with(Normalisation::kRow, 1.0)},
      {"no_columns.weight", DType::kF16, {16, 0}, {}, with(Normalisation::kBoth, 1.0)}};
  return write_golden(output, "rows", value_of(read_encoder_codec(codecs / "residual.safetensors")), {shard},
                      "{\n  \"model_type\": \"llama\"\n}\n");
}

}  // namespace

std::vector<GoldenSummary> make_goldens(const fs::path& codecs, const fs::path& output) {
  return {make_blocks(output),           make_corrections(output),
          make_linear(codecs, output),   make_lines(output),
          make_minimal(output),          make_overflow(output),
          make_residual(codecs, output), make_rows(codecs, output),
          make_sharded(codecs, output),  make_trellis(output),
          make_layers(codecs, output),   make_delta(codecs, output)};
}

}  // namespace nwc::testing
