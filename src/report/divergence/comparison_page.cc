#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <map>
#include <set>

#include "report/divergence/comparison.h"
#include "report/divergence/divergence_figures.h"
#include "report/page.h"

namespace nwc {
namespace {

// As much of a label as a legend has room for: its beginning and its end.
std::string legend_label(const std::string& label) {
  constexpr size_t kLongest = 32, kEnd = 14;
  std::vector<size_t> characters;  // where each begins
  for (size_t i = 0; i < label.size(); ++i) {
    if ((static_cast<unsigned char>(label[i]) & 0xC0) != 0x80) characters.push_back(i);
  }
  if (characters.size() <= kLongest) return label;
  return label.substr(0, characters[kLongest - kEnd - 1]) + "\u2026" +
         label.substr(characters[characters.size() - kEnd]);
}

double megabytes(const ComparedCheckpoint& c) { return static_cast<double>(c.size.file_bytes) / 1e6; }
double bits(const ComparedCheckpoint& c) { return c.size.bits_per_weight(); }

// Divergence over a size: a dot for each checkpoint, and a line through those that no other beats.
PlotPanel rate_panel(const Comparison& comparison, const std::string& title, const std::string& x_label,
                     double (*size)(const ComparedCheckpoint&)) {
  PlotPanel panel{title, x_label, "log10 of KL divergence", {}};
  const auto point = [&](const ComparedCheckpoint& c) {
    return std::pair{size(c), std::log10(quality_of(comparison, c)->kl_divergence)};
  };
  std::set<std::string> bases;
  for (const ComparedCheckpoint& c : comparison.checkpoints) {
    if (const std::optional<ComparedQuality> q = quality_of(comparison, c)) bases.insert(q->basis);
  }
  if (bases.size() == 1) {
    PlotSeries line{"better than all others of its size", {}, true};
    for (const size_t i : unbeaten(comparison)) line.points.push_back(point(comparison.checkpoints[i]));
    panel.series.push_back(std::move(line));
  }
  for (const ComparedCheckpoint& c : comparison.checkpoints) {
    PlotSeries dot{legend_label(c.label), {}, false};
    if (quality_of(comparison, c)) dot.points.push_back(point(c));
    panel.series.push_back(std::move(dot));
  }
  return panel;
}

std::string table_section(const Comparison& comparison) {
  std::vector<std::vector<PageCell>> cells;
  const std::vector<std::vector<std::string>> rows = comparison_table(comparison);
  for (size_t i = 0; i < rows.size(); ++i) {
    cells.emplace_back();
    for (size_t column = 0; column < rows[i].size(); ++column) {
      const bool text = column == 0 || column + 1 == rows[i].size();
      cells.back().push_back({corpus_html(rows[i][column], false), text ? (i == 0 ? "left" : "wide text") : ""});
    }
  }
  return page_table(cells);
}

// Mean divergence by class, a column for each checkpoint.
std::string classes_section(const LabelledProfiles& profiles) {
  std::vector<std::vector<std::string>> rows{{"class of token", "tokens"}};
  for (const auto& [label, profile] : profiles) rows.front().push_back(label);
  const DivergenceProfile& first = *profiles.front().second;  // all are of the same tokens
  for (size_t i = 0; i < first.classes.size(); ++i) {
    rows.push_back(
        {std::string(name_of(first.classes[i].token_class)), std::to_string(first.classes[i].figures.tokens)});
    for (const auto& [label, profile] : profiles)
      rows.back().push_back(fmt::format("{:.4g}", profile->classes[i].figures.mean_kl()));
  }
  return "<h2>Mean KL divergence by class of token</h2>\n" + page_table(rows);
}

std::string quantiles_section(const LabelledProfiles& profiles) {
  std::vector<std::vector<std::string>> rows{{"share of tokens"}};
  for (const auto& [label, profile] : profiles) rows.front().push_back(label);
  const DivergenceProfile& first = *profiles.front().second;
  for (size_t i = 0; i < first.quantiles.size(); ++i) {
    rows.push_back({fmt::format("{:.6g} %", 100 * first.quantiles[i].share)});
    for (const auto& [label, profile] : profiles)
      rows.back().push_back(fmt::format("{:.4g}", profile->quantiles[i].kl));
  }
  return "<h2>KL divergence that a share of the tokens does not exceed</h2>\n" + page_table(rows);
}

std::string commands_section(const Comparison& comparison) {
  std::string html = "<h2>Made by</h2>\n";
  for (const ComparedCheckpoint& c : comparison.checkpoints) {
    if (!c.recorded) continue;
    html += "<p>" + corpus_html(c.label, false) + ": <code>" + corpus_html("nwcodec " + c.recorded->command, false) +
            "</code></p>\n";
  }
  return html + "<p>this page: <code>" + corpus_html(comparison.command, false) + "</code></p>\n";
}

}  // namespace

std::string comparison_html(const Comparison& comparison) {
  const std::string title = fmt::format("{} compressed checkpoints", comparison.checkpoints.size()) +
                            (comparison.reference.empty() ? std::string() : " of " + comparison.reference);
  LabelledProfiles profiles;
  for (const ComparedCheckpoint& c : comparison.checkpoints) {
    if (c.profile) profiles.emplace_back(legend_label(c.label), &*c.profile);
  }
  const std::string measured = comparison.texts.empty()
                                   ? "Quality as each checkpoint's config.json records it from when it was made."
                                   : fmt::format("All measured on {}.", fmt::join(comparison.texts, ", "));
  std::string body =
      "<p class=\"soft\">" + corpus_html(measured, false) + " nwcodec " + xml_escaped(comparison.version) + "</p>\n" +
      page_warnings(comparison.warnings) + "<h2>Divergence over size</h2>\n" +
      page_figures({rate_panel(comparison, "By rate", "bits per compressed weight, everything included", bits),
                    rate_panel(comparison, "By size on disk", "weight files and codec, MB", megabytes)}) +
      table_section(comparison);
  if (!profiles.empty()) {
    body += "<h2>Where, and how unevenly</h2>\n" +
            page_figures({position_panel(profiles), tail_panel(profiles), concentration_panel(profiles),
                          likelihood_panel(profiles)}) +
            classes_section(profiles) + quantiles_section(profiles);
  }
  return page(title, body + commands_section(comparison));
}

}  // namespace nwc
