#include "baselines/rate_point.h"
#include "comparison/comparison.h"
#include "study/output/csv.h"
#include "study/output/svg_plot.h"
#include "zeroshot/scores_json.h"

namespace nwc {

Json to_json(const ComparisonPoint& point) {
  const auto or_null = [](const std::optional<double>& v) { return v ? Json(*v) : Json(nullptr); };
  Json json{{"method", point.method}, {"asked_bits", point.asked_bits}};
  if (!point.missing.empty()) {
    json["missing"] = point.missing;
    return json;
  }
  json["bits"] = point.bits;
  json["weights"] = point.weights;
  json["relative_squared_error"] = or_null(point.relative_error);
  json["hessian_weighted_error"] = or_null(point.weighted_error);
  json["seconds"] = point.seconds;
  json["notes"] = point.notes;
  json["texts"] = Json::array();
  for (const TextQuality& text : point.texts) {
    json["texts"].push_back({{"text", text.text},
                             {"kl_divergence", text.divergence},
                             {"kl_divergence_standard_error", text.divergence_error},
                             {"top1_agreement", text.top1_agreement},
                             {"perplexity", text.perplexity},
                             {"original_perplexity", text.original_perplexity}});
  }
  json["tasks"] = Json::array();
  for (const TaskScore& task : point.tasks) json["tasks"].push_back(to_json(task));
  if (!point.tasks.empty()) {
    const AverageScore average = average_of(point.tasks);
    json["task_average"] = {{"acc", to_json(average.acc)}, {"acc_norm", to_json(average.acc_norm)}};
  }
  return json;
}

Result<ComparisonPoint> point_from(const Json& json) {
  try {
    ComparisonPoint point{.method = json.at("method").get<std::string>(),
                          .asked_bits = json.at("asked_bits").get<double>(),
                          .missing = json.value("missing", std::string())};
    if (!point.missing.empty()) return point;
    point.bits = json.at("bits").get<double>();
    point.weights = json.at("weights").get<uint64_t>();
    const auto optional = [&](const char* key) {
      return json.at(key).is_null() ? std::optional<double>() : json.at(key).get<double>();
    };
    point.relative_error = optional("relative_squared_error");
    point.weighted_error = optional("hessian_weighted_error");
    point.seconds = json.at("seconds").get<double>();
    point.notes = json.at("notes").get<std::vector<std::string>>();
    for (const Json& text : json.at("texts")) {
      point.texts.push_back({text.at("text").get<std::string>(), text.at("kl_divergence").get<double>(),
                             text.at("kl_divergence_standard_error").get<double>(),
                             text.at("top1_agreement").get<double>(), text.at("perplexity").get<double>(),
                             text.at("original_perplexity").get<double>()});
    }
    for (const Json& task : json.at("tasks")) {
      NWC_ASSIGN_OR_RETURN(TaskScore score, task_score_from(task));
      point.tasks.push_back(std::move(score));
    }
    return point;
  } catch (const Json::exception& e) {
    return Error(ErrorCode::kCorrupt, std::string("not a point of a comparison: ") + e.what());
  }
}

std::string comparison_csv(const ComparisonReport& report) {
  std::vector<std::vector<std::string>> rows{{"method",
                                              "asked_bits",
                                              "bits",
                                              "relative_squared_error",
                                              "hessian_weighted_error",
                                              "seconds",
                                              "text",
                                              "kl_divergence",
                                              "kl_divergence_standard_error",
                                              "top1_agreement",
                                              "perplexity",
                                              "original_perplexity",
                                              "tasks",
                                              "acc",
                                              "acc_difference",
                                              "acc_difference_standard_error",
                                              "acc_norm",
                                              "acc_norm_difference",
                                              "acc_norm_difference_standard_error",
                                              "missing"}};
  const auto optional = [](const std::optional<double>& v) { return v ? csv_number(*v) : std::string(); };
  for (const ComparisonPoint& p : report.points) {
    std::vector<std::string> row{p.method, csv_number(p.asked_bits)};
    if (!p.missing.empty()) {
      row.resize(rows[0].size() - 1);
      row.push_back(p.missing);
      rows.push_back(std::move(row));
      continue;
    }
    row.insert(row.end(),
               {csv_number(p.bits), optional(p.relative_error), optional(p.weighted_error), csv_number(p.seconds)});
    std::vector<std::vector<std::string>> of_texts;
    for (const TextQuality& t : p.texts) {
      of_texts.push_back({t.text, csv_number(t.divergence), csv_number(t.divergence_error),
                          csv_number(t.top1_agreement), csv_number(t.perplexity), csv_number(t.original_perplexity)});
    }
    if (of_texts.empty()) of_texts.emplace_back(6);
    for (const std::vector<std::string>& of_text : of_texts) {
      std::vector<std::string> line = row;
      line.insert(line.end(), of_text.begin(), of_text.end());
      if (!p.tasks.empty()) {
        const AverageScore average = average_of(p.tasks);
        line.push_back(std::to_string(p.tasks.size()));
        for (const Accuracy* a : {&average.acc, &average.acc_norm}) {
          line.push_back(csv_number(a->value.mean));
          line.push_back(a->difference ? csv_number(a->difference->mean) : "");
          line.push_back(a->difference ? optional(a->difference->standard_error) : "");
        }
      }
      line.resize(rows[0].size());
      rows.push_back(std::move(line));
    }
  }
  return format_csv(rows);
}

std::string comparison_svg(const ComparisonReport& report) {
  bool has_texts = false;
  for (const ComparisonPoint& p : report.points) has_texts = has_texts || !p.texts.empty();
  PlotPanel panel{.title = "",
                  .x_label = "bits per weight, side information included",
                  .y_label = has_texts ? "KL divergence, dB" : "relative squared error, dB",
                  .series = {}};
  for (const ComparisonPoint& p : report.points) {
    if (!p.missing.empty()) continue;
    if (panel.series.empty() || panel.series.back().label != p.method)
      panel.series.push_back({.label = p.method, .points = {}});
    const std::optional<double> value =
        has_texts ? (p.texts.empty() ? std::optional<double>() : p.texts[0].divergence) : p.relative_error;
    if (value) panel.series.back().points.emplace_back(p.bits, decibels(*value));
  }
  return render_svg("Methods", {panel}, 1);
}

}  // namespace nwc
