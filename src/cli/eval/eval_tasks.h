// `nwcodec eval --tasks`: multiple-choice tasks.
#pragma once

#include "base/json.h"
#include "cli/eval/eval_command.h"

namespace nwc::cli {

// Precondition: options.tasks is not empty.
Result<EvalReport> evaluate_tasks(const EvalOptions& options, const Progress& progress);

Json tasks_json(const TasksReport& report);
void print_tasks(const TasksReport& report);

}  // namespace nwc::cli
