// Accuracies in JSON, as results print and keep them.
#pragma once

#include "base/json.h"
#include "nwcodec/result.h"
#include "zeroshot/scores.h"

namespace nwc {

Json to_json(const Accuracy& accuracy);
// Task, items, acc, acc_norm; with a reference same_choice.
Json to_json(const TaskScore& score);
// The reverse. Errors: kCorrupt.
Result<TaskScore> task_score_from(const Json& json);

}  // namespace nwc
