#include "report/report_html.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "report/figures.h"

namespace nwc {
namespace {

constexpr size_t kMaxRows = 2000;  // of the table of tensors: a mixture of experts has tens of thousands

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--paper:#ffffff;--ink:#1c1c1e;--soft:#5c5c63;--line:#dcdce0;--card:#f5f5f7;
--level1:#9ecae1;--level2:#e6862a;--level3:#c2185b;--level4:#5e35b1}
@media (prefers-color-scheme:dark){:root{--paper:#131316;--ink:#ececf0;--soft:#a3a3ad;--line:#3a3a42;--card:#1e1e23;
--level1:#31607c;--level2:#f0a04b;--level3:#ff5c97;--level4:#b39ddb}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1400px;padding:16px;background:var(--paper);color:var(--ink);
font:15px/1.45 system-ui,sans-serif}
h1{font-size:1.5rem;margin:.2em 0;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:1.8em 0 .5em}h3{font-size:.9rem;
margin:8px 0 -6px;font-weight:600;overflow-wrap:anywhere}
p{margin:.4em 0;max-width:75ch}.soft{color:var(--soft)}
.tiles,.figures,.maps{display:grid;gap:12px}
.tiles{grid-template-columns:repeat(auto-fit,minmax(150px,1fr));margin:12px 0}
.tiles div{background:var(--card);border-radius:8px;padding:10px 12px}.tiles b{display:block;font-size:1.25rem}
.figures{grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),1fr))}
figure.level h3{margin:0 0 4px}.maps{grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr))}
figure{margin:0;min-width:0}
svg{display:block;width:100%;height:auto}
svg.map{width:100%}
svg text{fill:var(--ink)}svg .background{fill:none}svg .grid{stroke:var(--line)}svg .frame{stroke:var(--soft)}
.level1{stroke:var(--level1)}.level2{stroke:var(--level2)}.level3{stroke:var(--level3)}
[class^="level"]:not(.level1):not(.level2):not(.level3){stroke:var(--level4)}
.key{display:inline-block;width:.9em;height:.9em;border-radius:2px;vertical-align:-.1em;margin:0 .3em 0 .8em}
.table{overflow-x:auto;border:1px solid var(--line);border-radius:8px;max-height:80vh}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:4px 10px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th{position:sticky;top:0;background:var(--card);color:var(--soft);font-weight:600}
th:first-child,td:first-child{text-align:left}
.warnings{border-left:4px solid var(--level2);padding:4px 12px;background:var(--card);overflow-wrap:anywhere}
)";

std::string decibels_text(double ratio) {
  return ratio > 0 ? fmt::format("{:.2f}", 10 * std::log10(ratio)) : std::string("exact");
}

std::string tile(const std::string& value, const std::string& what) {
  return fmt::format("<div><b>{}</b>{}</div>\n", xml_escaped(value), xml_escaped(what));
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
  html += tile(fmt::format("{:.3f}", r.bits), "bits per compressed weight, everything included");
  html += tile(fmt::format("{:.3f}", r.payload_bits), "bits of payload");
  html += tile(decibels_text(r.nmse) + " dB", "error (NMSE)");
  if (r.hessian_error) html += tile(decibels_text(*r.hessian_error) + " dB", "Hessian-weighted error");
  html += tile(fmt::format("{} tensors", r.tensors.size()),
               millions(r.weights) + " weights; " + millions(r.plain_parameters) + " parameters as they were");
  html += tile(fmt::format("{:.1f} %", r.input_bytes > 0 ? 100.0 * static_cast<double>(r.output_bytes) /
                                                               static_cast<double>(r.input_bytes)
                                                         : 100.0),
               megabytes(r.input_bytes) + " became " + megabytes(r.output_bytes));
  html += tile(seconds_text(seconds), "for all stages");
  return html + "</div>\n";
}

std::string warnings(const CompressionReport& r) {
  if (r.warnings.empty()) return {};
  std::string html = "<div class=\"warnings\">\n";
  for (const std::string& w : r.warnings) html += "<p>" + xml_escaped(w) + "</p>\n";
  return html + "</div>\n";
}

std::string figures(const std::vector<PlotPanel>& panels) {
  std::string html = "<div class=\"figures\">\n";
  for (PlotPanel panel : panels) {
    const std::string title = std::exchange(panel.title, {});  // a heading wraps, the title of a plot does not
    html += "<figure><h3>" + xml_escaped(title) + "</h3>" + svg_element("", {panel}, 1) + "</figure>\n";
  }
  return html + "</div>\n";
}

std::string columns_section(const CompressionReport& r) {
  const std::vector<PlotPanel> panels = column_panels(r);
  if (panels.empty()) return {};
  return "<h2>Sensitive columns have small errors</h2>\n<p class=\"soft\">diag(H), what an error in a column costs, "
         "against the inverse of the column's error; of every layer type the "
         "tensor of the middle block, some hundred columns each. The farther dots climb to the right, the better bits "
         "go where they matter.</p>\n" +
         figures(panels);
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

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::string html = "<div class=\"table\"><table>\n";
  for (size_t i = 0; i < rows.size(); ++i) {
    html += "<tr>";
    for (const std::string& cell : rows[i])
      html += i == 0 ? "<th>" + xml_escaped(cell) + "</th>" : "<td>" + xml_escaped(cell) + "</td>";
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
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
  return html + table(rows);
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
         figures(panels) + table(rows);
}

std::string settings_section(const CompressionReport& r) {
  std::vector<std::vector<std::string>> options{{"option", "value"}}, stages{{"stage", "seconds"}};
  for (const auto& [name, value] : r.options) options.push_back({name, value});
  for (const StageTime& s : r.stages) stages.push_back({s.name, fmt::format("{:.2f}", s.seconds)});
  return "<h2>Time</h2>\n" + table(stages) + "<h2>Options given</h2>\n" + table(options);
}

}  // namespace

std::string report_html(const CompressionReport& r) {
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\"/>\n<title>" +
      xml_escaped(r.model) + ", compressed</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n<h1>" +
      xml_escaped(r.model) + ", compressed</h1>\n";
  html += fmt::format("<p class=\"soft\">{}codec {}, gain {:.4f}; nwcodec {}</p>\n",
                      r.model_type.empty() ? "" : xml_escaped(r.model_type) + "; ", xml_escaped(r.codec), r.gain,
                      r.version);
  html += summary(r) + warnings(r);
  if (!r.tensors.empty())
    html += "<h2>Error and bits by block</h2>\n" + figures(block_panels(r)) + felt_section(r) + columns_section(r) +
            levels_section(r) + tensors_section(r);
  return html + settings_section(r) + "</body>\n</html>\n";
}

}  // namespace nwc
