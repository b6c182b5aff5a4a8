// `nwcodec eval` as a function.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/layer_options.h"
#include "evaluate/divergence.h"
#include "evaluate/embeddings.h"
#include "evaluate/perplexity.h"
#include "libtorch/device.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "zeroshot/scores.h"

namespace nwc::cli {

// How a text is scored.
enum class EvalProtocol {
  kGptq,      // Protocol::kGptq
  kLlamaCpp,  // Protocol::kLlamaCpp
  kC4,  // kGptq on C4 as GPTQ's scripts take it ("c4-new"): of a file of JSON lines the "text" of the first 1,100,
        // joined by spaces, of which the first 256 windows
};
const char* name_of(EvalProtocol protocol);

struct EvalOptions {
  std::filesystem::path checkpoint;          // plain or compressed
  LayerOptions layers;                       // of it
  std::filesystem::path text;                // a language model is scored on this,
  std::vector<std::filesystem::path> tasks;  // or on these (zeroshot/task_file.h),
  std::optional<std::filesystem::path>
      images;  // or an encoder compared with its reference on these (model/encoders/encoder_inputs.h)
  std::optional<std::filesystem::path> reference;  // plain or compressed; its tokenizer is not used
  EvalProtocol protocol = EvalProtocol::kGptq;
  std::optional<int64_t> context;              // none: 2048, with kLlamaCpp 512
  int64_t windows = 0;                         // 0: all
  int64_t limit = 0;                           // only the first so many items of each task; 0: all
  std::optional<std::filesystem::path> items;  // where to write each item's log-likelihoods
  int threads = 0;
  ModelDevice device = {};
  // With a reference: a page about the divergence token by token, with its figures beside it
  // (report/divergence/divergence_report.h).
  std::optional<std::filesystem::path> report;
  std::string command;  // for that page
};

struct TasksReport {
  std::vector<TaskScore> tasks;         // of each file, in the order given
  std::vector<size_t> truncated;        // of each, the items longer than the model's context
  std::optional<AverageScore> average;  // of several
};

struct EvalReport {
  int64_t tokens = 0;                          // of the whole text
  const char* protocol = "";                   // of the next two
  std::optional<PerplexityResult> perplexity;  // without a reference
  std::optional<DivergenceResult> divergence;  // with one; holds both models' perplexities
  std::optional<TasksReport> tasks;            // of tasks; nothing else then
  std::optional<EmbeddingResult> embeddings;   // of an encoder; nothing else then
  std::vector<std::string> warnings;
};

Result<EvalReport> evaluate_checkpoint(const EvalOptions& options, const Progress& progress);

}  // namespace nwc::cli
