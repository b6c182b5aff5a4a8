#include "cli/polish_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/decode_backend.h"
#include "cli/quality_record.h"
#include "cli/terminal.h"
#include "cli/text_calibration.h"

namespace nwc::cli {
namespace {

// Of the held-out windows, evenly spread.
constexpr int64_t kWindows = 16;
std::vector<int32_t> some_windows(const std::vector<int32_t>& held_out, int64_t length) {
  const int64_t all = static_cast<int64_t>(held_out.size()) / length, count = std::min(all, kWindows);
  std::vector<int32_t> some;
  for (int64_t i = 0; i < count; ++i) {
    const auto first = held_out.begin() + i * all / count * length;
    some.insert(some.end(), first, first + length);
  }
  return some;
}

double change(double before, double after) { return before > 0 ? 100 * (after / before - 1) : 0.0; }

}  // namespace

Result<PolishReport> polish_on_files(PolishOptions options, const std::vector<std::filesystem::path>& texts,
                                     const std::string& device, const std::string& command, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(options.device, open_device(device));
  NWC_ASSIGN_OR_RETURN(options.backend, decode_backend_for(options.device, options.compressed));
  NWC_ASSIGN_OR_RETURN(TokenisedTexts tokenised, tokenise_texts(options.compressed, texts, progress));
  const std::vector<int32_t> held_out = some_windows(hold_out(tokenised.texts, options.length), options.length);
  std::vector<std::vector<int32_t>> ids;
  for (CalibrationText& text : tokenised.texts) ids.push_back(std::move(text.ids));
  options.before_finish = [&](const std::filesystem::path& output, const DivergenceResult& measured) -> Status {
    NWC_ASSIGN_OR_RETURN(const MeasuredQuality quality, quality_of(measured, texts, command));
    return write_measured_quality(output, quality);
  };
  Result<PolishReport> report = polish(options, ids, held_out, progress);
  if (report) report->warnings.insert(report->warnings.begin(), tokenised.warnings.begin(), tokenised.warnings.end());
  return report;
}

Json to_json(const PolishReport& r) {
  return {{"changed", r.changed},
          {"factors", r.factors},
          {"steps", r.steps},
          {"steps_from_earlier_run", r.steps_from_earlier_run},
          {"correction_bits", r.correction_bits},
          {"input_bytes", r.input_bytes},
          {"output_bytes", r.output_bytes},
          {"before", to_json(r.before, /*own=*/false)},
          {"after", to_json(r.after, /*own=*/false)},
          {"warnings", r.warnings}};
}

void print_polish(const PolishReport& r) {
  if (r.steps_from_earlier_run > 0) fmt::print("{} steps kept from an interrupted run\n", r.steps_from_earlier_run);
  fmt::print("{} factors, {} steps\n", r.factors, r.steps);
  fmt::print("on text held out         KL divergence {:.5f} -> {:.5f} nats per token ({:+.1f} %), {} windows of {}\n",
             r.before.mean_kl, r.after.mean_kl, change(r.before.mean_kl, r.after.mean_kl), r.before.windows,
             r.before.context);
  fmt::print("weight files             {} -> {} ({:+.3f} %)\n", human_bytes(r.input_bytes), human_bytes(r.output_bytes),
             change(static_cast<double>(r.input_bytes), static_cast<double>(r.output_bytes)));
  if (!r.changed) fmt::print("nothing changed: no state was better on the text held out\n");
}

}  // namespace nwc::cli
