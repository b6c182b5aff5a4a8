#include "cli/generate_command.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <memory>

#include "base/json.h"
#include "base/parallel.h"
#include "cli/checkpoint_notes.h"
#include "cli/command.h"
#include "cli/decode_backend.h"
#include "cli/language.h"
#include "cli/terminal.h"
#include "evaluate/generate.h"
#include "libtorch/threads.h"

namespace nwc::cli {
namespace {

// The length of the longest prefix that cannot change when more tokens come: a character that is still incomplete
// decodes to U+FFFD at the end.
size_t settled_length(const std::string& text) {
  const std::string replacement = "\xEF\xBF\xBD";
  size_t length = text.size();
  while (length >= replacement.size() &&
         text.compare(length - replacement.size(), replacement.size(), replacement) == 0)
    length -= replacement.size();
  return length;
}

// Of this process until now.
uint64_t peak_memory_bytes() {
  rusage usage{};
  return ::getrusage(RUSAGE_SELF, &usage) == 0 ? static_cast<uint64_t>(usage.ru_maxrss) * 1024 : 0;
}

}  // namespace

Result<TextModel> open_text_model(const GenerateTextOptions& options) {
  const int threads = resolve_threads(options.threads);
  set_compute_threads(threads);
  NWC_ASSIGN_OR_RETURN(Tokenizer tokenizer, open_tokenizer(options.checkpoint));
  NWC_ASSIGN_OR_RETURN(std::shared_ptr<DecodeBackend> backend, decode_backend_for(options.device, options.checkpoint));
  NWC_ASSIGN_OR_RETURN(CausalLm model, CausalLm::open(options.checkpoint, {.residency = options.residency,
                                                                           .threads = threads,
                                                                           .device = options.device,
                                                                           .decode_backend = std::move(backend),
                                                                           .layers = options.layers.layers,
                                                                           .base = options.layers.base}));
  std::vector<std::string> warnings = tokenizer.warnings();
  append_notes(options.checkpoint, model.warnings(), warnings);
  return TextModel{std::move(tokenizer), std::move(model), std::move(warnings)};
}

Result<Continuation> generate_text(const TextModel& writer, const GenerateTextOptions& options,
                                   const Progress& progress, const std::function<void(const std::string&)>& on_text) {
  const Tokenizer& tokenizer = writer.tokenizer;
  NWC_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                       tokenizer.encode(options.prompt, /*add_special_tokens=*/true, progress));
  // Decoded together with the prompt, because the first new token's text may depend on what is before it.
  const size_t prompt_length = tokenizer.decode(ids, true).size();
  size_t shown = prompt_length;
  GenerateOptions generation{.max_new_tokens = options.max_new_tokens, .sampling = options.sampling};
  const std::vector<int32_t> prompt = ids;
  generation.on_token = [&](int32_t id) {
    ids.push_back(id);
    const std::string text = tokenizer.decode(ids, true);
    const size_t settled = settled_length(text);
    if (settled <= shown) return;
    if (on_text) on_text(text.substr(shown, settled - shown));
    shown = settled;
  };
  NWC_ASSIGN_OR_RETURN(const GenerateResult result, generate(writer.model, prompt, generation, progress));
  const std::string text = tokenizer.decode(ids, true);
  if (on_text && text.size() > shown) on_text(text.substr(shown));
  return Continuation{text.substr(std::min(prompt_length, text.size())), result.tokens.size()};
}

void add_generate(CLI::App& app, Command& command) {
  struct Arguments : GenerateTextOptions {
    std::string device_name = "cpu";
  };
  const auto o = std::make_shared<Arguments>();
  app.add_option("checkpoint", o->checkpoint, "Checkpoint directory, plain or compressed")
      ->required()
      ->check(not_empty());
  app.add_option("--prompt", o->prompt, "Text to continue")->required();
  app.add_option("--max-new-tokens", o->max_new_tokens, "Stop after so many tokens")
      ->check(in_range(int64_t{0}, kManyTokens))
      ->capture_default_str();
  app.add_option("--temperature", o->sampling.temperature, "0 takes the likeliest token; larger is more varied")
      ->check(in_range(0.0, 100.0))
      ->capture_default_str();
  app.add_option("--top-k", o->sampling.top_k, "Sample among the so many likeliest tokens; 0 means all")
      ->check(in_range(int64_t{0}, kManyTokens))
      ->capture_default_str();
  app.add_option("--seed", o->sampling.seed, "Seed of the sampler")->check(any_seed())->capture_default_str();
  app.add_option("--resident", o->residency,
                 "What stays in memory: decoded weights (fast), or compressed ones, each block decoded for every token")
      ->transform(one_of<Residency>({{"decoded", Residency::kAll}, {"compressed", Residency::kEnds}}));
  add_layer_options(app, o->layers);
  add_device_option(app, o->device_name);
  add_global_options(app, command);
  command.run = [o, &command]() -> Status {
    o->threads = command.global.threads;
    NWC_ASSIGN_OR_RETURN(o->device, open_device(o->device_name));
    const Progress progress{.report = {}, .stop = &interrupt_flag()};
    NWC_ASSIGN_OR_RETURN(const TextModel writer, open_text_model(*o));
    {
      ProgressLine line(command.global.quiet);
      for (const std::string& warning : writer.warnings) line.note("warning: " + warning);
    }
    if (command.global.json) {
      const auto begin = std::chrono::steady_clock::now();
      NWC_ASSIGN_OR_RETURN(const Continuation made, generate_text(writer, *o, progress, {}));
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
      print_json(Json{{"prompt", o->prompt},
                      {"text", made.text},
                      {"tokens", made.tokens},
                      {"tokens_per_second", static_cast<double>(made.tokens) / seconds.count()},
                      {"peak_memory_bytes", peak_memory_bytes()}});
      return {};
    }
    // The prompt is printed with the first piece of what follows it, not before all has been opened.
    std::string before = o->prompt;
    Result<Continuation> made = generate_text(writer, *o, progress, [&](const std::string& piece) {
      fmt::print("{}{}", before, piece);
      std::fflush(stdout);
      before.clear();
    });
    if (!made) return std::move(made).error();
    fmt::print("{}\n", before);
    return {};
  };
}

}  // namespace nwc::cli
