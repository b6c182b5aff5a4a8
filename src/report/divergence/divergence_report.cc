#include "report/divergence/divergence_report.h"

#include <fmt/format.h>

#include <span>

#include "base/file.h"
#include "report/divergence/figures_json.h"
#include "study/output/csv.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr size_t kRowsTogether = 4096;  // of the CSV, in memory

// A JSON string: its quotation mark keeps a spreadsheet from reading "=1+1" as a formula.
std::string quoted(const std::string& text) { return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace); }

std::vector<std::string> csv_row(const DivergenceReport& r, size_t i) {
  const TokenScore& score = r.scores.tokens[i];
  const TokenPlace place = place_of(r.scores, i);
  return {std::to_string(place.window),
          std::to_string(place.position),
          std::to_string(r.tokens.ids[place.in_text]),
          std::string(name_of(r.tokens.classes[place.in_text])),
          quoted(r.tokens.pieces[place.in_text]),
          csv_number(score.kl),
          csv_number(score.reference_nll),
          csv_number(score.candidate_nll),
          std::to_string(score.reference_top),
          std::to_string(score.candidate_top)};
}

Status write_csv(const DivergenceReport& r, const fs::path& path) {
  NWC_ASSIGN_OR_RETURN(OutputFile file, OutputFile::create(path));
  std::vector<std::vector<std::string>> rows{
      {"window", "position", "id", "class", "text", "kl_divergence", "reference_nll", "nll", "reference_top", "top"}};
  for (size_t i = 0; i < r.scores.tokens.size(); ++i) {
    rows.push_back(csv_row(r, i));
    if (rows.size() < kRowsTogether) continue;
    NWC_RETURN_IF_ERROR(file.append(as_bytes(format_csv(rows))));
    rows.clear();
  }
  NWC_RETURN_IF_ERROR(file.append(as_bytes(format_csv(rows))));
  return file.commit();
}

Json token_json(const DivergenceReport& r, int32_t id) { return {{"id", id}, {"text", r.text_of(id)}}; }

}  // namespace

std::string divergence_json(const DivergenceReport& r) {
  Json windows = Json::array(), tokens = Json::array(), types = Json::array();
  for (const auto& window : r.profile.worst_windows) {
    Json json{{"window", window.index}};
    json.update(figures_json(window.figures));
    windows.push_back(std::move(json));
  }
  for (const size_t i : r.profile.worst_tokens) {
    const TokenScore& score = r.scores.tokens[i];
    const TokenPlace place = place_of(r.scores, i);
    Json json{{"window", place.window}, {"position", place.position}};
    json.update(token_json(r, r.tokens.ids[place.in_text]));
    json.update({{"class", name_of(r.tokens.classes[place.in_text])},
                 {"kl_divergence", score.kl},
                 {"reference_nll", score.reference_nll},
                 {"nll", score.candidate_nll},
                 {"reference_top", token_json(r, score.reference_top)},
                 {"top", token_json(r, score.candidate_top)}});
    tokens.push_back(std::move(json));
  }
  for (const auto& type : r.profile.costly_types) {
    Json json = token_json(r, type.id);
    json.update(figures_json(type.figures));
    types.push_back(std::move(json));
  }
  Json json{{"schema", kDivergenceSchema}, {"nwcodec", r.version}, {"checkpoint", r.checkpoint},
            {"reference", r.reference},    {"texts", r.texts},     {"command", r.command}};
  json.update(profile_json(r.profile));
  json["worst_windows"] = std::move(windows);
  json["worst_tokens"] = std::move(tokens);
  json["costly_tokens"] = std::move(types);
  json["warnings"] = r.warnings;
  // Names of files need not be UTF-8 but JSON must.
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

fs::path json_beside(const fs::path& html) { return fs::path(html).replace_extension(".json"); }
fs::path csv_beside(const fs::path& html) { return fs::path(html).replace_extension(".csv"); }

Status write_divergence_report(const DivergenceReport& report, const fs::path& html) {
  NWC_RETURN_IF_ERROR(write_csv(report, csv_beside(html)));
  NWC_RETURN_IF_ERROR(write_file(json_beside(html), divergence_json(report)));
  return write_file(html, divergence_html(report));
}

}  // namespace nwc
