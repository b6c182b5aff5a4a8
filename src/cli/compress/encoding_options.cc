#include "cli/compress/encoding_options.h"

#include <algorithm>
#include <initializer_list>

#include "cli/command.h"
#include "codec/encode/trellis_codes.h"
#include "nwcodec/limits.h"

namespace nwc::cli {
namespace {

constexpr const char* kTrellis = "--trellis";
constexpr const char* kRateWeight = "--rate-weight";
constexpr const char* kTileChunks = "--tile-chunks";

// A number of chunks per tile.
CLI::Validator whole_groups() {
  const std::string wrong = fmt::format("must be a multiple of {}", limits::kLanes);
  return {[wrong](std::string& text) {
            return std::strtoul(text.c_str(), nullptr, 10) % limits::kLanes == 0 ? std::string() : wrong;
          },
          "", "multiple"};
}

CLI::Validator trellis_states() {
  const auto check = [](std::string& given) {
    unsigned states = 0;
    if (CLI::detail::lexical_cast(given, states) && (states == 0 || has_trellis(states))) return std::string();
    return std::string("must be 0 for none, 4, 8, 16, 32 or 64");
  };
  return CLI::Validator(check, "0, 4, 8, 16, 32 or 64");
}

CLI::Option* add_tile_chunks(CLI::App& app, uint32_t& chunks, const std::string& otherwise) {
  return app.add_option(kTileChunks, chunks, "Chunks per independently decodable tile, a multiple of 32" + otherwise)
      ->check(in_range(32u, limits::kMaxTileChunks))
      ->check(whole_groups());
}

CLI::Option* add_run_groups(CLI::App& app, uint16_t& groups) {
  return app
      .add_option("--run-groups", groups,
                  "Groups of 32 chunks that are decoded channel by channel: 64 suits CPUs; 1, with tiles of 512, GPUs")
      ->check(in_range(1u, limits::kMaxTileChunks / limits::kLanes));
}

}  // namespace

void add_layout_options(CLI::App& app, TileLayout& layout) {
  add_tile_chunks(app, layout.tile_chunks, "");
  add_run_groups(app, layout.run_groups);
}

void add_encoding_options(CLI::App& app, EncodeOptions& options) {
  add_tile_chunks(app, options.tile_chunks, "; with a trellis 1024 by default")->capture_default_str();
  add_run_groups(app, options.run_groups)->capture_default_str();
  app.add_option(kTrellis, options.trellis_states,
                 "With --steps sensitivity: states of the trellis that weights follow, 8 by default; more are better "
                 "and slower to encode; 0 rounds weights one by one")
      ->check(trellis_states());
  app.add_option(kRateWeight, options.rate_weight,
                 "With --steps sensitivity: squared steps that a bit is worth when weights are rounded")
      ->check(in_range(0.0, 2.0))
      ->capture_default_str();
}

OpenOptions open_options(const CLI::App& app) {
  const auto given = [&](std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* name) { return app.count(name) > 0; });
  };
  return {.steps = !given({"--steps", "--codec", "--profile", "--normalisation", "--shares", "--sensitivity",
                           "--no-levels", "--codec-tables-only", "--recover"}),
          .feedback = !given({"--feedback"}),
          .normalisation = !given({"--normalisation"}),
          .trellis = !given({kTrellis}),
          .rate_weight = !given({kRateWeight}),
          .tile_chunks = !given({kTileChunks})};
}

CLI::Validator normalisations() {
  std::vector<std::pair<std::string, Normalisation>> names;
  for (const Normalisation n : {Normalisation::kColumn, Normalisation::kRow, Normalisation::kBoth,
                                Normalisation::kTensor, Normalisation::kModel}) {
    names.emplace_back(name_of(n), n);
  }
  return one_of(names);
}

}  // namespace nwc::cli
