#include "cli/compress/difference_options.h"

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/terminal.h"

namespace nwc::cli {

void add_difference_options(CLI::App& app, DifferenceArguments& a) {
  app.add_option("--layers", a.layers,
                 "Progressive: a base of so many bits, and refinements up to so many in all: 2.5,4,6")
      ->delimiter(',')
      ->check(in_range(0.5, 12.0))
      ->allow_extra_args(false)
      ->excludes("--bits")
      ->excludes("--size")
      ->excludes("--divergence");
  CLI::Option* base = app.add_option("--base", a.base,
                                     "Store the difference from this compressed checkpoint, at --bits for each weight "
                                     "that differs")
                          ->check(not_empty())
                          ->excludes("--layers");
  app.add_option("--base-model", a.base_model,
                 "With --base: the model that it was compressed from; tensors that are equal to its cost nothing")
      ->check(not_empty())
      ->needs(base);
}

void check_difference_options(const CLI::App& app, const DifferenceArguments& a) {
  const bool progressive = !a.layers.empty();
  if (!progressive && a.base.empty()) return;
  const char* const which = progressive ? "--layers" : "--base";
  for (const char* other : {"--size", "--divergence", "--plan", "--recover", "--report"}) {
    if (app.count(other) > 0) throw CLI::ValidationError(which, fmt::format("does not go with {}", other));
  }
  if (!progressive && app.count("--bits") == 0) throw CLI::ValidationError("--base", "needs --bits");
  if (!progressive) return;
  if (const Status status = check_layers(a.layers); !status)
    throw CLI::ValidationError("--layers", status.error().message());
}

LowerLayers lower_layers(const CLI::App& app, const GuideOptions& guide) {
  LowerLayers lower;
  if (app.count("--damping") > 0) lower.damping = guide.ldl.damping;
  if (app.count("--row-shrinkage") > 0) lower.row_shrinkage = guide.row_shrinkage;
  return lower;
}

Json layers_json(const ProgressiveReport& report, const std::vector<double>& divergences) {
  Json layers = Json::array();
  for (size_t i = 0; i < report.bits.size(); ++i) {
    layers.push_back({{"bits_per_weight", report.bits[i]}, {"file_bytes", report.file_bytes[i]}});
    if (i < divergences.size()) layers.back()["kl_divergence"] = divergences[i];
  }
  return layers;
}

void print_layers(const ProgressiveReport& report, const std::vector<double>& divergences) {
  for (size_t i = 0; i < report.bits.size(); ++i) {
    fmt::print("{:<24} {:8.4f} bits per weight on disk and {} with all before{}\n",
               i == 0 ? std::string("base") : fmt::format("with refinement {}", i), report.bits[i],
               human_bytes(report.file_bytes[i]),
               i < divergences.size() ? fmt::format(", KL divergence {:.4f}", divergences[i]) : "");
  }
}

void print_differences(const CompressReport& report) {
  if (!report.differences) return;
  fmt::print("differences of           {} tensors; {} stored by themselves, {} as the base has them\n",
             report.differences->differences, report.differences->whole, report.differences->unchanged);
}

}  // namespace nwc::cli
