#include "report/divergence/comparison.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "base/file.h"
#include "base/hash.h"
#include "checkpoint/checkpoint_path.h"
#include "report/divergence/divergence_report.h"
#include "report/divergence/figures_json.h"
#include "study/output/csv.h"

namespace nwc {
namespace {

double share_of_original(const CheckpointReport& size) {
  return static_cast<double>(size.file_bytes) / static_cast<double>(std::max<uint64_t>(1, size.original_bytes));
}

std::string basis_of(const MeasuredQuality& q) {
  std::vector<std::string> texts;
  for (const MeasuredQuality::Text& text : q.texts)
    texts.push_back(text.hash ? fmt::format("{} ({})", text.name, hex64(*text.hash)) : text.name);
  return fmt::format("{} windows of {} of {}", q.windows, q.context, fmt::join(texts, ", "));
}

// A cell that a spreadsheet takes for no formula.
std::vector<std::vector<std::string>> without_formulas(std::vector<std::vector<std::string>> rows) {
  for (std::vector<std::string>& row : rows) {
    for (std::string& cell : row) {
      const bool number = !cell.empty() && cell.find_first_not_of("0123456789.e-") == std::string::npos;
      if (!number && !cell.empty() && std::string_view("=+-@\t\r").find(cell.front()) != std::string_view::npos)
        cell.insert(0, "'");
    }
  }
  return rows;
}

}  // namespace

std::vector<std::string> labels_of(const std::vector<std::filesystem::path>& directories) {
  std::vector<std::string> names, labels;
  for (const std::filesystem::path& directory : directories) names.push_back(directory_name(directory));
  for (size_t i = 0; i < names.size(); ++i)
    labels.push_back(std::count(names.begin(), names.end(), names[i]) > 1 ? directories[i].string() : names[i]);
  return labels;
}

std::optional<ComparedQuality> quality_of(const Comparison& comparison, const ComparedCheckpoint& c) {
  if (c.profile) {
    return ComparedQuality{.kl_divergence = c.profile->all.mean_kl(),
                           .perplexity = c.profile->perplexity(),
                           .reference_perplexity = c.profile->reference_perplexity(),
                           .top1_agreement = c.profile->all.top1_agreement(),
                           .standard_error = c.profile->mean_kl_standard_error,
                           .basis = fmt::format("{} windows of {} of {}", c.profile->windows, c.profile->context,
                                                fmt::join(comparison.texts, ", "))};
  }
  if (!c.recorded) return std::nullopt;
  return ComparedQuality{.kl_divergence = c.recorded->kl_divergence,
                         .perplexity = c.recorded->perplexity,
                         .reference_perplexity = c.recorded->reference_perplexity,
                         .top1_agreement = c.recorded->top1_agreement,
                         .standard_error = std::nullopt,
                         .basis = basis_of(*c.recorded)};
}

std::vector<size_t> unbeaten(const Comparison& comparison) {
  const std::vector<ComparedCheckpoint>& all = comparison.checkpoints;
  std::vector<size_t> kept;
  for (size_t i = 0; i < all.size(); ++i) {
    const std::optional<ComparedQuality> mine = quality_of(comparison, all[i]);
    if (!mine) continue;
    const bool beaten = std::any_of(all.begin(), all.end(), [&](const ComparedCheckpoint& other) {
      const std::optional<ComparedQuality> its = quality_of(comparison, other);
      if (!its || its->basis != mine->basis) return false;
      const uint64_t size = all[i].size.file_bytes, other_size = other.size.file_bytes;
      return other_size <= size && its->kl_divergence <= mine->kl_divergence &&
             (other_size < size || its->kl_divergence < mine->kl_divergence);
    });
    if (!beaten) kept.push_back(i);
  }
  std::stable_sort(kept.begin(), kept.end(),
                   [&](size_t a, size_t b) { return all[a].size.file_bytes < all[b].size.file_bytes; });
  return kept;
}

std::vector<std::vector<std::string>> comparison_table(const Comparison& comparison) {
  std::vector<std::vector<std::string>> rows{{"checkpoint", "bytes", "share of original", "bits per compressed weight",
                                              "bits per parameter", "KL divergence", "standard error", "perplexity",
                                              "reference perplexity", "top-1 agreement", "measured on"}};
  for (const ComparedCheckpoint& c : comparison.checkpoints) {
    std::vector<std::string> row{
        c.label, std::to_string(c.size.file_bytes), fmt::format("{:.4f}", share_of_original(c.size)),
        fmt::format("{:.4f}", c.size.bits_per_weight()), fmt::format("{:.4f}", c.size.bits_per_parameter())};
    if (const std::optional<ComparedQuality> q = quality_of(comparison, c)) {
      const std::string error = q->standard_error ? fmt::format("{:.2g}", *q->standard_error) : "";
      row.insert(row.end(),
                 {fmt::format("{:.5g}", q->kl_divergence), error, fmt::format("{:.4f}", q->perplexity),
                  fmt::format("{:.4f}", q->reference_perplexity), fmt::format("{:.4f}", q->top1_agreement), q->basis});
    } else {
      row.resize(rows.front().size());
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

Json comparison_json(const Comparison& comparison) {
  Json checkpoints = Json::array();
  for (const ComparedCheckpoint& c : comparison.checkpoints) {
    Json json{{"checkpoint", c.label},
              {"codec_id", c.size.codec_id},
              {"weights", c.size.weights},
              {"plain_parameters", c.size.plain_parameters},
              {"file_bytes", c.size.file_bytes},
              {"original_bytes", c.size.original_bytes},
              {"payload_bits_per_weight", c.size.payload_bits_per_weight()},
              {"bits_per_weight", c.size.bits_per_weight()},
              {"bits_per_parameter", c.size.bits_per_parameter()},
              {"made_by", c.recorded ? Json("nwcodec " + c.recorded->command) : Json()}};
    const std::optional<ComparedQuality> q = quality_of(comparison, c);
    json["quality"] = q ? Json{{"kl_divergence", q->kl_divergence},
                               {"kl_divergence_standard_error", number_or_null(q->standard_error)},
                               {"perplexity", q->perplexity},
                               {"reference_perplexity", q->reference_perplexity},
                               {"top1_agreement", q->top1_agreement},
                               {"measured_on", q->basis}}
                        : Json();
    json["profile"] = c.profile ? profile_json(*c.profile) : Json();
    checkpoints.push_back(std::move(json));
  }
  Json best = Json::array();
  for (const size_t i : unbeaten(comparison)) best.push_back(comparison.checkpoints[i].label);
  return {{"schema", kDivergenceSchema},
          {"nwcodec", comparison.version},
          {"reference", comparison.reference.empty() ? Json() : Json(comparison.reference)},
          {"texts", comparison.texts},
          {"command", comparison.command},
          {"checkpoints", checkpoints},
          {"unbeaten", best},
          {"warnings", comparison.warnings}};
}

Status write_comparison(const Comparison& comparison, const std::filesystem::path& html) {
  NWC_RETURN_IF_ERROR(write_file(csv_beside(html), format_csv(without_formulas(comparison_table(comparison)))));
  const std::string json = comparison_json(comparison).dump(1, ' ', false, Json::error_handler_t::replace);
  NWC_RETURN_IF_ERROR(write_file(json_beside(html), json + "\n"));
  return write_file(html, comparison_html(comparison));
}

}  // namespace nwc
