#include "cli/eval/eval_command.h"

#include <memory>

#include "base/json.h"
#include "cli/command.h"
#include "cli/eval/eval_images.h"
#include "cli/eval/eval_tasks.h"
#include "cli/eval/eval_text.h"
#include "cli/terminal.h"

namespace nwc::cli {
namespace {

Json to_json(const EvalReport& report) {
  if (report.embeddings) return images_json(*report.embeddings);
  return report.tasks ? tasks_json(*report.tasks) : text_json(report);
}

void print(const EvalReport& report) {
  if (report.embeddings) return print_images(*report.embeddings);
  return report.tasks ? print_tasks(*report.tasks) : print_text(report);
}

}  // namespace

Result<EvalReport> evaluate_checkpoint(const EvalOptions& options, const Progress& progress) {
  if (options.images) return evaluate_images(options, progress);
  return options.tasks.empty() ? evaluate_text(options, progress) : evaluate_tasks(options, progress);
}

void add_eval(CLI::App& app, Command& command) {
  struct Arguments : EvalOptions {
    std::string device_name = "cpu";
  };
  const auto o = std::make_shared<Arguments>();
  app.add_option("checkpoint", o->checkpoint, "Checkpoint directory, plain or compressed")
      ->required()
      ->check(not_empty());
  CLI::Option* text = app.add_option("--text", o->text, "Text file to score")->check(not_empty());
  CLI::Option* tasks =
      app.add_option(
             "--tasks", o->tasks,
             "Multiple-choice tasks instead, a file of JSON lines each: objects with context, choices and label, "
             "scored as lm-evaluation-harness does without examples")
          ->check(not_empty());
  CLI::Option* images =
      app.add_option(
             "--images", o->images,
             "For encoders instead: a safetensors file with pixel_values, and perhaps input_ids or label_embeds")
          ->check(not_empty());
  CLI::Option* reference = app.add_option("--reference", o->reference,
                                          "Checkpoint to compare with: adds KL divergence and top-1 agreement; for "
                                          "tasks, differences on the same items; for encoders, errors of embeddings "
                                          "and agreement of labels")
                               ->check(not_empty());
  CLI::Option* protocol =
      app.add_option(
             "--protocol", o->protocol,
             "How --text is scored: gptq, all tokens of a window but the first; llama.cpp, the second half of a "
             "window; c4, gptq on C4's validation file, JSON lines with a key text: the first 256 windows of its "
             "first 1,100 documents")
          ->transform(one_of<EvalProtocol>(
              {{"gptq", EvalProtocol::kGptq}, {"llama.cpp", EvalProtocol::kLlamaCpp}, {"c4", EvalProtocol::kC4}}))
          ->default_str("gptq");
  CLI::Option* context =
      app.add_option("--context", o->context, "Tokens per window (default: 2048; with --protocol llama.cpp 512)")
          ->check(in_range(int64_t{2}, kManyTokens));
  CLI::Option* windows = app.add_option("--windows", o->windows, "Score only the first so many windows; 0 means all")
                             ->check(in_range(int64_t{0}, kManySequences))
                             ->capture_default_str();
  CLI::Option* limit = app.add_option("--limit", o->limit, "Only the first so many items of each task; 0 means all")
                           ->check(in_range(int64_t{0}, kManySequences))
                           ->capture_default_str();
  CLI::Option* items =
      app.add_option("--items", o->items, "JSON lines to write: each item's log-likelihoods")->check(not_empty());
  app.add_option("--report", o->report,
                 "Also write a page about the divergence, token by token, with its figures beside it (.json, .csv)")
      ->check(html_file())
      ->needs(reference)
      ->needs(text);
  add_layer_options(app, o->layers);
  for (const char* option : {"--layers", "--base"}) app.get_option(option)->excludes("--images");
  add_device_option(app, o->device_name);
  tasks->excludes(text)->excludes(images)->excludes(protocol)->excludes(context)->excludes(windows);
  limit->needs(tasks);
  items->needs(tasks);
  images->excludes(protocol)->excludes(text)->excludes(context)->excludes(windows)->needs(reference);
  add_global_options(app, command);
  app.callback([o, text, tasks, images] {
    if (text->count() + tasks->count() + images->count() == 0) throw CLI::RequiredError("--text");
    if (o->report && o->protocol == EvalProtocol::kLlamaCpp)
      throw CLI::ValidationError("--report",
                                 "shows whole windows, of which --protocol llama.cpp scores the second half");
  });
  command.run = [o, &app, &command]() -> Status {
    o->threads = command.global.threads;
    o->command = given_command(app);
    NWC_ASSIGN_OR_RETURN(o->device, open_device(o->device_name));
    Result<EvalReport> report = EvalReport{};
    {
      ProgressLine line(command.global.quiet);
      report = evaluate_checkpoint(*o, line.progress());
      if (report) {
        for (const std::string& warning : report->warnings) line.note("warning: " + warning);
      }
    }
    if (!report) return std::move(report).error();
    if (command.global.json) {
      print_json(to_json(*report));
    } else {
      print(*report);
    }
    return {};
  };
}

}  // namespace nwc::cli
