#include "report/report_html.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "report/figures.h"
#include "report/page.h"

namespace nwc {
namespace {

constexpr size_t kMaxRows = 2000;  // of the table of tensors: a mixture of experts has tens of thousands

std::string decibels_text(double ratio) {
  return ratio > 0 ? fmt::format("{:.2f}", 10 * std::log10(ratio)) : std::string("exact");
}

std::string megabytes(uint64_t bytes) {
  return bytes >= 10'000'000 ? fmt::format("{:.0f} MB", static_cast<double>(bytes) / 1e6)
                             : fmt::format("{:.2f} MB", static_cast<double>(bytes) / 1e6);
}

std::string millions(uint64_t count) {
  return count >= 100'000 ? fmt::format("{:.2f} M", static_cast<double>(count) / 1e6) : std::to_string(count);
}

std::string seconds_text(double seconds) { return fmt::format("{:.1f} s", seconds); }

std::string summary(const CompressionReport& r) {
  double seconds = 0;
  for (const StageTime& s : r.stages) seconds += s.seconds;
  std::string html = "<div class=\"tiles\">\n";
  html += page_tile(fmt::format("{:.3f}", r.bits), "bits per compressed weight, everything included");
  html += page_tile(fmt::format("{:.3f}", r.payload_bits), "bits of payload");
  html += page_tile(decibels_text(r.nmse) + " dB", "error (NMSE)");
  if (r.hessian_error) html += page_tile(decibels_text(*r.hessian_error) + " dB", "Hessian-weighted error");
  html += page_tile(fmt::format("{} tensors", r.tensors.size()),
                    millions(r.weights) + " weights; " + millions(r.plain_parameters) + " parameters as they were");
  html += page_tile(fmt::format("{:.1f} %", r.input_bytes > 0 ? 100.0 * static_cast<double>(r.output_bytes) /
                                                                    static_cast<double>(r.input_bytes)
                                                              : 100.0),
                    megabytes(r.input_bytes) + " became " + megabytes(r.output_bytes));
  html += page_tile(seconds_text(seconds), "for all stages");
  return html + "</div>\n";
}

std::string columns_section(const CompressionReport& r) {
  const std::vector<PlotPanel> panels = column_panels(r);
  if (panels.empty()) return {};
  return "<h2>Sensitive columns have small errors</h2>\n<p class=\"soft\">diag(H), what an error in a column costs, "
         "against the inverse of the column's error; of every layer type the "
         "tensor of the middle block, some hundred columns each. The farther dots climb to the right, the better bits "
         "go where they matter.</p>\n" +
         page_figures(panels);
}

std::string levels_section(const CompressionReport& r) {
  const std::vector<LevelMap> maps = level_maps(r);
  if (maps.empty()) return {};
  size_t levels = 0;
  for (const ReportedTensor& t : r.tensors) levels = std::max(levels, t.record.columns_per_level.size());
  std::string html =
      "<h2>Importance levels</h2>\n<p class=\"soft\">A row per tensor, the first block on top; columns from left to "
      "right, where a dot stands for its highest level.";
  for (size_t l = 1; l < levels; ++l)
    html += fmt::format("<span class=\"key\" style=\"background:var(--level{})\"></span>level {}",
                        std::min<size_t>(l, 4), l);
  html += "</p>\n<div class=\"maps\">\n";
  for (const LevelMap& map : maps) {
    html += fmt::format("<figure class=\"level\"><h3>{}</h3>{}", xml_escaped(map.type), map.svg);
    if (map.shown < map.tensors) html += fmt::format("<p class=\"soft\">{} of {} tensors</p>", map.shown, map.tensors);
    html += "</figure>\n";
  }
  return html + "</div>\n";
}

std::string tensors_section(const CompressionReport& r) {
  std::vector<std::vector<std::string>> rows{{"tensor", "shape", "payload", "bits", "NMSE dB", "worst column dB",
                                              "Hessian-weighted dB", "share of divergence", "columns by level",
                                              "tables", "patches", "seconds"}};
  const FeltSums sums = felt_sums(r);
  for (size_t i = 0; i < std::min(kMaxRows, r.tensors.size()); ++i) {
    const TensorRecord& t = r.tensors[i].record;
    const std::optional<double>& hessian_error = t.measured->hessian_error;
    const std::optional<FeltTensor>& felt = r.tensors[i].felt;
    const bool felt_known = felt && felt->divergence && sums.divergence > 0;
    rows.push_back({t.name, fmt::format("{}", fmt::join(t.shape, " x ")),
                    fmt::format("{:.4f}", t.payload_bits_per_weight()), fmt::format("{:.4f}", t.bits_per_weight()),
                    decibels_text(t.measured->nmse), decibels_text(t.measured->worst_column_nmse),
                    hessian_error ? decibels_text(*hessian_error) : "",
                    felt_known ? fmt::format("{:.2f} %", 100 * *felt->divergence / sums.divergence) : "",
                    fmt::format("{}", fmt::join(t.columns_per_level, " / ")), t.own_tables ? "own" : "codec",
                    t.encoding ? std::to_string(t.encoding->statistics.patches) : "",
                    t.encoding ? fmt::format("{:.2f}", t.encoding->seconds) : ""});
  }
  std::string html = "<h2>Tensors</h2>\n";
  if (r.tensors.size() > kMaxRows)
    html +=
        fmt::format("<p class=\"soft\">The first {} of {}; {} has all.</p>\n", kMaxRows, r.tensors.size(), kReportJson);
  return html + page_table(rows);
}

std::string felt_section(const CompressionReport& r) {
  const std::vector<PlotPanel> panels = felt_panels(r);
  if (panels.empty()) return {};
  std::vector<std::vector<std::string>> rows{{"block", "weights", "bits", "measured share", "expected share"}};
  for (const FeltBlock& block : felt_blocks(r)) {
    rows.push_back({block.depth >= 0 ? std::to_string(block.depth) : "outside", std::to_string(block.weights),
                    fmt::format("{:.4f}", block.bits_per_weight()),
                    fmt::format("{:.2f} %", 100 * block.divergence_share),
                    fmt::format("{:.2f} %", 100 * block.expected_share)});
  }
  const double divergence = felt_sums(r).divergence;
  return fmt::format(
             "<h2>Where the bits went</h2>\n<p class=\"soft\">Steps follow what the model feels. Measured: what the "
             "errors of a block's tensors cost by the calibration's Fisher information, {:.4g} nats per token in all, "
             "more on text that calibration did not see. Expected: that each weight costs the same, but for those that "
             "spread over less than a step. Octaves: how far the steps of columns and of rows lie from the tensor's "
             "mean.</p>\n",
             divergence) +
         page_figures(panels) + page_table(rows);
}

std::string settings_section(const CompressionReport& r) {
  std::vector<std::vector<std::string>> options{{"option", "value"}}, stages{{"stage", "seconds"}};
  for (const auto& [name, value] : r.options) options.push_back({name, value});
  for (const StageTime& s : r.stages) stages.push_back({s.name, fmt::format("{:.2f}", s.seconds)});
  return "<h2>Time</h2>\n" + page_table(stages) + "<h2>Options given</h2>\n" + page_table(options);
}

}  // namespace

std::string report_html(const CompressionReport& r) {
  std::string body = fmt::format("<p class=\"soft\">{}codec {}, gain {:.4f}; nwcodec {}</p>\n",
                                 r.model_type.empty() ? "" : xml_escaped(r.model_type) + "; ", xml_escaped(r.codec),
                                 r.gain, r.version);
  body += summary(r) + page_warnings(r.warnings);
  if (!r.tensors.empty())
    body += "<h2>Error and bits by block</h2>\n" + page_figures(block_panels(r)) + felt_section(r) +
            columns_section(r) + levels_section(r) + tensors_section(r);
  return page(r.model + ", compressed", body + settings_section(r));
}

}  // namespace nwc
