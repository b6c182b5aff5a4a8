#include "zeroshot/scores_json.h"

#include <string>

namespace nwc {
namespace {

Json to_json(const MeanEstimate& mean) {
  return {{"value", mean.mean}, {"standard_error", mean.standard_error ? Json(*mean.standard_error) : Json(nullptr)}};
}

MeanEstimate mean_from(const Json& json) {
  MeanEstimate mean{json.at("value").get<double>(), {}};
  if (const Json& error = json.at("standard_error"); !error.is_null()) mean.standard_error = error.get<double>();
  return mean;
}

Accuracy accuracy_from(const Json& json) {
  Accuracy accuracy{mean_from(json), {}, {}};
  if (json.contains("difference")) {
    accuracy.reference = mean_from(json.at("reference"));
    accuracy.difference = mean_from(json.at("difference"));
  }
  return accuracy;
}

}  // namespace

Json to_json(const Accuracy& accuracy) {
  Json json = to_json(accuracy.value);
  if (accuracy.difference) {
    json["reference"] = to_json(*accuracy.reference);
    json["difference"] = to_json(*accuracy.difference);
  }
  return json;
}

Json to_json(const TaskScore& score) {
  Json json = {
      {"task", score.task}, {"items", score.items}, {"acc", to_json(score.acc)}, {"acc_norm", to_json(score.acc_norm)}};
  if (score.same_choice) json["same_choice"] = *score.same_choice;
  return json;
}

Result<TaskScore> task_score_from(const Json& json) {
  try {
    TaskScore score{.task = json.at("task").get<std::string>(),
                    .items = json.at("items").get<size_t>(),
                    .acc = accuracy_from(json.at("acc")),
                    .acc_norm = accuracy_from(json.at("acc_norm")),
                    .same_choice = {}};
    if (json.contains("same_choice")) score.same_choice = json.at("same_choice").get<double>();
    return score;
  } catch (const Json::exception& e) {
    return Error(ErrorCode::kCorrupt, std::string("not a task's score: ") + e.what());
  }
}

}  // namespace nwc
