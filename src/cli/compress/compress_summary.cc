#include "cli/compress/compress_summary.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/terminal.h"

namespace nwc::cli {
namespace {

// Of all that is known; "" where this is not.
std::string share_text(const std::optional<double>& part, const std::optional<double>& all) {
  if (!part || !all || !(*all > 0)) return "";
  return fmt::format("{:.2f}", 100 * *part / *all);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> options_given(const CLI::App& app) {
  std::vector<std::pair<std::string, std::string>> given;
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() > 0)
      given.emplace_back(option->get_name(), fmt::format("{}", fmt::join(option->results(), " ")));
  }
  return given;
}

Json to_json(const CompressReport& report) {
  Json tensors = Json::array();
  for (const TensorRecord& record : report.tensors) tensors.push_back(nwc::to_json(record));
  return {{"schema", kRecordSchema},
          {"tensors", tensors},
          {"codec", report.codec.filename().string()},
          {"gain", report.gain},
          {"blocks_from_earlier_run", report.blocks_from_earlier_run},
          {"input_bytes", report.input_bytes},
          {"output_bytes", report.output_bytes},
          {"warnings", report.warnings}};
}

void print_summary(const CompressReport& report) {
  const CompressionTotals totals = totals_of(report.tensors);
  const EncodeStatistics& sum = totals.statistics;
  if (report.blocks_from_earlier_run > 0)
    fmt::print("{} blocks kept from an interrupted run\n", report.blocks_from_earlier_run);
  if (report.gain != 1.0) fmt::print("codec {}, gain {:.4f}\n", report.codec.filename().string(), report.gain);
  if (sum.weights > 0) {
    const double weights = static_cast<double>(sum.weights);
    fmt::print("{} tensors, {} weights\n", report.tensors.size(), sum.weights);
    fmt::print("payload                  {:8.4f} bits per weight (cross-entropy of its symbols {:.4f})\n",
               8.0 * static_cast<double>(sum.payload_bytes) / weights, sum.table_bits / weights);
    fmt::print("with side information    {:8.4f} bits per weight\n",
               8.0 * static_cast<double>(sum.payload_bytes + totals.side_bytes) / weights);
    fmt::print("relative squared error   {:8.6f}\n", sum.squared_error / sum.squared_weight);
    fmt::print("escapes, patches         {}, {}\n", sum.escapes, sum.patches);
  }
  fmt::print("weight files             {} -> {} ({:.1f} %)\n", human_bytes(report.input_bytes),
             human_bytes(report.output_bytes),
             100.0 * static_cast<double>(report.output_bytes) /
                 static_cast<double>(std::max<uint64_t>(1, report.input_bytes)));
}

Json to_json(const CompressionPrediction& p) {
  const auto or_null = [](const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); };
  Json tensors = Json::array();
  for (const PredictedTensor& t : p.tensors) {
    tensors.push_back({{"name", t.name},
                       {"shape", t.shape},
                       {"weights", t.weights},
                       {"bytes", t.bytes},
                       {"bits_per_weight", t.bits_per_weight()},
                       {"kl_divergence", or_null(t.divergence)}});
  }
  return {{"schema", kRecordSchema},      {"predicted", true},
          {"tensors", tensors},           {"weights", p.weights},
          {"bits_per_weight", p.bits},    {"input_bytes", p.input_bytes},
          {"output_bytes", p.file_bytes}, {"kl_divergence", or_null(p.divergence)},
          {"warnings", p.warnings}};
}

void print_prediction(const CompressionPrediction& p) {
  std::vector<std::vector<std::string>> rows{{"tensor", "shape", "bits", "bytes", "divergence", "share %"}};
  size_t unknown = 0;
  for (const PredictedTensor& t : p.tensors) {
    unknown += t.divergence ? 0 : 1;
    rows.push_back({printable(t.name), shape_text(t.shape), fmt::format("{:.3f}", t.bits_per_weight()),
                    fmt::format("{:.0f}", t.bytes), t.divergence ? fmt::format("{:.3g}", *t.divergence) : "unknown",
                    share_text(t.divergence, p.divergence)});
  }
  fmt::print("{}\n", format_table(rows));
  fmt::print("predicted, nothing is written:\n");
  fmt::print("with side information    {:8.3f} bits per weight, {} tensors, {} weights\n", p.bits, p.tensors.size(),
             p.weights);
  fmt::print("weight files             {} -> {} ({:.1f} %)\n", human_bytes(p.input_bytes),
             human_bytes(static_cast<uint64_t>(p.file_bytes)),
             100.0 * p.file_bytes / static_cast<double>(std::max<uint64_t>(1, p.input_bytes)));
  if (p.divergence) {
    fmt::print("KL divergence            {:.4f} nats per token on text like the calibration's\n", *p.divergence);
  } else {
    fmt::print("KL divergence            unknown: no gradient came to any tensor\n");
  }
  if (unknown > 0 && p.divergence) fmt::print("without {} tensors to which no gradient came\n", unknown);
}

Json trials_json(const TargetedCompression& found) {
  Json trials = Json::array();
  for (const DivergenceSearch::Point& trial : found.trials)
    trials.push_back({{"bits", trial.bits}, {"kl_divergence", trial.divergence}});
  return trials;
}

void print_trials(const TargetedCompression& found) {
  for (const DivergenceSearch::Point& trial : found.trials) {
    fmt::print("tried                    {:8.4f} bits: KL divergence {:.4f}{}\n", trial.bits, trial.divergence,
               trial.bits == found.taken.bits ? ", taken" : "");
  }
}

}  // namespace nwc::cli
