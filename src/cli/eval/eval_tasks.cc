#include "cli/eval/eval_tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "base/file.h"
#include "base/parallel.h"
#include "cli/checkpoint_notes.h"
#include "cli/decode_backend.h"
#include "cli/language.h"
#include "cli/terminal.h"
#include "libtorch/threads.h"
#include "zeroshot/run_tasks.h"
#include "zeroshot/scores_json.h"

namespace nwc::cli {
namespace {

using AllScores = std::vector<std::vector<ItemScore>>;

Result<AllScores> scores_of(const std::filesystem::path& checkpoint, const CausalLm& model,
                            const std::vector<Task>& tasks, const TaskTokens& tokens, const Progress& progress) {
  Result<AllScores> scores = run_tasks(model, tasks, tokens, progress);
  if (!scores) return std::move(scores).error().in_file(checkpoint.string());
  return scores;
}

// "61.24 +-  1.38" in per cent, or "61.24 +-     -" for a single item.
std::string percent(const MeanEstimate& mean, bool sign) {
  const std::string error = mean.standard_error ? fmt::format("{:.2f}", 100 * *mean.standard_error) : "-";
  const std::string value = sign ? fmt::format("{:+.2f}", 100 * mean.mean) : fmt::format("{:.2f}", 100 * mean.mean);
  return fmt::format("{:>6} +- {:>5}", value, error);
}

std::string columns(const Accuracy& accuracy) {
  if (!accuracy.difference) return percent(accuracy.value, false);
  return fmt::format("{} {:>9.2f} {}", percent(accuracy.value, false), 100 * accuracy.reference->mean,
                     percent(*accuracy.difference, true));
}

}  // namespace

Result<EvalReport> evaluate_tasks(const EvalOptions& options, const Progress& progress) {
  const int threads = resolve_threads(options.threads);
  set_compute_threads(threads);
  NWC_ASSIGN_OR_RETURN(const Tokenizer tokenizer, open_tokenizer(options.checkpoint));
  NWC_ASSIGN_OR_RETURN(const PrefixToken prefix, prefix_token_of(options.checkpoint, tokenizer));
  NWC_ASSIGN_OR_RETURN(const std::vector<Task> tasks, read_task_files(options.tasks, options.limit));
  std::optional<OutputFile> items;  // before the models run, since it may fail
  if (options.items) {
    NWC_ASSIGN_OR_RETURN(items, OutputFile::create(*options.items));
  }
  NWC_ASSIGN_OR_RETURN(const CausalLm model,
                       open_causal_lm(options.checkpoint, threads, options.device, options.layers));
  EvalReport report;
  report.warnings = tokenizer.warnings();
  append_notes(options.checkpoint, model.warnings(), report.warnings);
  NWC_ASSIGN_OR_RETURN(const TaskTokens tokens,
                       tokenise_tasks(tasks, tokenizer, prefix, model.spec().max_positions, progress));
  for (size_t t = 0; t < tasks.size(); ++t) {
    if (tokens.truncated[t] == 0) continue;
    report.warnings.push_back(
        fmt::format("{}: {} of {} items are longer than the model's context of {} tokens and lost "
                    "their beginning",
                    tasks[t].file.string(), tokens.truncated[t], tasks[t].items.size(), model.spec().max_positions));
  }
  NWC_ASSIGN_OR_RETURN(const AllScores scores, scores_of(options.checkpoint, model, tasks, tokens, progress));
  AllScores of_reference;
  if (options.reference) {
    NWC_ASSIGN_OR_RETURN(const CausalLm reference, open_causal_lm(*options.reference, threads, options.device));
    append_notes(*options.reference, reference.warnings(), report.warnings);
    NWC_ASSIGN_OR_RETURN(of_reference, scores_of(*options.reference, reference, tasks, tokens, progress));
  }
  if (items) {
    NWC_RETURN_IF_ERROR(items->append(as_bytes(item_lines(tasks, scores, of_reference))));
    NWC_RETURN_IF_ERROR(items->commit());
  }
  TasksReport& result = report.tasks.emplace();
  for (size_t t = 0; t < tasks.size(); ++t) {
    const bool paired = !of_reference.empty();
    result.tasks.push_back(score_task(
        tasks[t], scores[t], paired ? std::span<const ItemScore>(of_reference[t]) : std::span<const ItemScore>()));
  }
  result.truncated = tokens.truncated;
  if (result.tasks.size() > 1) result.average = average_of(result.tasks);
  return report;
}

Json tasks_json(const TasksReport& report) {
  Json tasks = Json::array();
  for (size_t t = 0; t < report.tasks.size(); ++t) {
    const TaskScore& score = report.tasks[t];
    Json task = to_json(score);
    task["truncated"] = report.truncated[t];
    tasks.push_back(std::move(task));
  }
  Json json = {{"protocol", "lm-evaluation-harness"}, {"tasks", std::move(tasks)}};
  if (report.average)
    json["average"] = {{"acc", to_json(report.average->acc)}, {"acc_norm", to_json(report.average->acc_norm)}};
  return json;
}

void print_tasks(const TasksReport& report) {
  const bool paired = report.tasks[0].acc.difference.has_value();
  size_t width = 7;
  for (const TaskScore& task : report.tasks) width = std::max(width, printable(task.task).size());
  const std::string of_both =
      paired ? fmt::format("{:>15} {:>9} {:>15}", "acc", "reference", "difference") : fmt::format("{:>15}", "acc");
  const std::string norm_of_both = paired ? fmt::format("{:>15} {:>9} {:>15}", "acc_norm", "reference", "difference")
                                          : fmt::format("{:>15}", "acc_norm");
  fmt::print("{:<{}} {:>6}  {}  {}{}\n", "task, %", width, "items", of_both, norm_of_both, paired ? "   same" : "");
  for (const TaskScore& task : report.tasks) {
    fmt::print("{:<{}} {:>6}  {}  {}{}\n", printable(task.task), width, task.items, columns(task.acc),
               columns(task.acc_norm), task.same_choice ? fmt::format(" {:>6.2f}", 100 * *task.same_choice) : "");
  }
  if (report.average) {
    fmt::print("{:<{}} {:>6}  {}  {}\n", "average", width, "", columns(report.average->acc),
               columns(report.average->acc_norm));
  }
}

}  // namespace nwc::cli
